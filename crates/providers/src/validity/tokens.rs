//! Tokens that carry their end inside.

use cache_core::Timestamp;

use super::dates;

/// The end inside a value that is signed by itself: JSON web tokens and Akamai's fields.
pub(super) fn end_of(value: &str) -> Option<Timestamp> {
    jwt(value).or_else(|| fields(value))
}

/// Whether `value` is a token by its shape: a JSON web token, or signed fields.
pub(super) fn is_token(value: &str) -> bool {
    value.starts_with("eyJ") && value.split('.').count() >= 3 || is_signed(value)
}

/// The `DateLessThan` of a policy of `CloudFront`.
pub(super) fn policy(value: &str) -> Option<Timestamp> {
    // An underline stands for the padding.
    let text = base64(value.trim_end_matches('_'))?;
    let condition = &text[text.find("DateLessThan")?..];
    number_after(condition, "EpochTime")
}

/// The `exp` claim of a JSON web token.
fn jwt(value: &str) -> Option<Timestamp> {
    let (head, rest) = value.split_once('.')?;
    let (claims, _signature) = rest.split_once('.')?;
    if !head.starts_with("eyJ") {
        return None;
    }
    number_after(&base64(claims)?, "\"exp\"")
}

/// The `exp` among fields such as `st=1~exp=2~acl=/*~hmac=0`, if they are signed.
fn fields(value: &str) -> Option<Timestamp> {
    let end = pairs(value).find(|(name, _)| matches!(*name, "exp" | "expires" | "expire"));
    is_signed(value).then_some(end).flatten().and_then(|(_, end)| dates::epoch(end))
}

/// Whether `value` has a field that signs the others.
fn is_signed(value: &str) -> bool {
    pairs(value).any(|(name, _)| matches!(name, "hmac" | "token" | "bcdn_token" | "sig" | "signature"))
}

fn pairs(value: &str) -> impl Iterator<Item = (&str, &str)> {
    value.split(['~', '&', ',']).filter_map(|field| field.split_once('='))
}

/// The seconds of a signature such as `1784003600_b1d57811` or `1784003600-0-0-b1d57811`. Others than signatures begin
/// with the time of an upload like that.
pub(super) fn numbered(value: &str) -> Option<Timestamp> {
    let (number, hash) = value.split_once(['_', '-'])?;
    let is_hash = hash.len() >= 8 && hash.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if number.len() == 10 && is_hash { dates::epoch(number) } else { None }
}

/// The end that a token in plain JSON states, such as `{"channel":"a","expires":1784003600}`.
pub(super) fn stated(value: &str) -> Option<Timestamp> {
    if value.starts_with('{') { number_after(value, "\"expires\"") } else { None }
}

/// The first number that follows `name` and a colon in JSON, which may be written as a text.
fn number_after(json: &str, name: &str) -> Option<Timestamp> {
    json.match_indices(name).find_map(|(at, _)| {
        let rest = json[at + name.len()..].trim_start_matches(['"', ' ', '\t', '\n', '\r']);
        let number = rest.strip_prefix(':')?.trim_start().trim_start_matches('"');
        let digits = number.find(|c: char| !c.is_ascii_digit()).map_or(number, |end| &number[..end]);
        dates::epoch(digits)
    })
}

/// The text that is encoded in either alphabet, or in that of `CloudFront`, with or without padding.
fn base64(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in text.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'=' => break,
            b'+' | b'-' | b' ' => 62,
            b'/' | b'_' | b'~' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).ok()?);
        }
    }
    // A token may carry text that is cut or foreign: what is looked for is plain.
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: Option<Timestamp> = Some(Timestamp::from_millis(1_784_003_600_000));

    #[test]
    fn every_token_tells_its_end() {
        for token in [
            "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3ODQwMDM2MDB9.c2ln",
            "st=1784000000~exp=1784003600~acl=/*~hmac=00",
            "bcdn_token=abc&expires=1784003600&token_path=%2F",
        ] {
            assert_eq!(end_of(token), END, "{token}");
        }
        for signature in
            ["1784003600_b1d5781111d84f7b3fe45a0852e59758cd7a87e5", "1784003600-0-0-b1d5781111d84f7b3fe45a0852e59758"]
        {
            assert_eq!((numbered(signature), end_of(signature)), (END, None), "{signature}");
        }
    }

    #[test]
    fn what_is_no_token_has_no_end() {
        for text in
            ["", "a.b.c", "eyJ.eyJ.x", "exp=1784003600", "1784003600-1080p", "1_2", "eyJhbGciOiJIUzI1NiJ9.e30.s"]
        {
            assert_eq!((end_of(text), numbered(text)), (None, None), "{text}");
        }
    }

    #[test]
    fn a_policy_may_have_several_conditions() {
        // {"Condition":{"DateGreaterThan":{"AWS:EpochTime":1},"DateLessThan":{"AWS:EpochTime":1784003600}}}
        let encoded = "eyJDb25kaXRpb24iOnsiRGF0ZUdyZWF0ZXJUaGFuIjp7IkFXUzpFcG9jaFRpbWUiOjF9LCJEYXRlTGVzc1RoYW4iOnsiQVdTO\
                       kVwb2NoVGltZSI6MTc4NDAwMzYwMH19fQ__";
        assert_eq!(policy(encoded), END);
        assert_eq!(policy("e30"), None);
        assert_eq!(policy("*"), None);
    }
}
