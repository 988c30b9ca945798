//! What is understood of what ffprobe prints.

use super::*;

fn parse(json: &str) -> std::result::Result<Probe, Unfit> {
    Probe::parse(json.as_bytes()).unwrap()
}

#[test]
fn a_cover_picture_is_no_video_stream() {
    let cover = r#"{"index":0,"codec_type":"video","width":9,"height":9,"disposition":{"attached_pic":1}}"#;
    let sound = r#"{"index":1,"codec_type":"audio","codec_name":"mp3","sample_rate":"44100","channels":2}"#;
    let probe = parse(&format!(r#"{{"streams":[{cover},{sound}]}}"#)).unwrap();
    assert_eq!(probe.video, None);
    let audio = probe.audio.unwrap();
    assert_eq!((audio.index, audio.sample_rate, audio.channels), (1, 44_100, 2));
    assert_eq!(parse(&format!(r#"{{"streams":[{cover}]}}"#)), Err(Unfit::NoStream));
}

#[test]
fn the_first_real_video_stream_is_taken() {
    let json = r#"{"streams":[
        {"index":0,"codec_type":"video","width":9,"height":9,"disposition":{"attached_pic":1}},
        {"index":2,"codec_type":"video","codec_name":"vp9","width":64,"height":48,"avg_frame_rate":"30000/1001","start_time":"-0.080000",
         "side_data_list":[{"side_data_type":"x"},{"rotation":-90}]}],
        "format":{"format_name":"matroska,webm","duration":"1.5","start_time":"-0.080000"}}"#;
    let probe = parse(json).unwrap();
    let video = probe.video.as_ref().unwrap();
    assert_eq!((video.index, video.width, video.rotation), (2, 64, 90));
    assert_eq!(probe.duration, Some(Duration::from_millis(1500)));
    assert_eq!((video.start_us, probe.start_us), (Some(-80_000), Some(-80_000)));
    assert_eq!(probe.demuxer(), "matroska");
    assert!((video.frame_rate.unwrap() - 29.97).abs() < 0.01);
}

#[test]
fn what_is_unknown_is_none() {
    let json = r#"{"streams":[{"index":0,"codec_type":"video","width":1,"height":1,"avg_frame_rate":"0/0"}],
        "format":{"format_name":"h264","duration":"N/A"}}"#;
    let probe = parse(json).unwrap();
    let video = probe.video.unwrap();
    assert_eq!((probe.duration, video.frame_rate, video.start_us), (None, None, None));
}

#[test]
fn playlists_and_text_are_refused() {
    assert_eq!(parse(r#"{"format":{"format_name":"hls"}}"#), Err(Unfit::Playlist));
    assert_eq!(parse(r#"{"format":{"format_name":"tty"}}"#), Err(Unfit::Text));
}

#[test]
fn output_that_is_no_json_is_an_error() {
    assert!(Probe::parse(b"").is_err());
    assert!(Probe::parse(b"[1,2]\xFF").is_err());
}
