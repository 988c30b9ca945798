//! Doubt: a key that was served from a shared tier does not go back to an older entry of a tier above.

use cache_core::Backend;
use cache_testkit::{Fault, Operation, Plan};

use crate::kit::{key, millis, pass};
use crate::kit_fleet::{Kind, Rig};

#[tokio::test(start_paused = true)]
async fn once_a_shared_tier_has_served_a_write_no_tier_above_serves_the_one_before() {
    let a = key("a");
    let before = Rig::of([Kind::Durable, Kind::Shared]);
    before.put(&a, "first").await;
    let rig = before.restarted();
    drop(before);
    assert!(rig.body(&key("none")).await.is_none(), "it hears the others from here on");
    pass(millis(1)).await;
    // The reader has found the first, and asks the shared tier about it while two more are put.
    rig.places[1].set_plan(Plan::new().nth(Operation::Stat, 1, Fault::Delay(millis(50))));
    let mut third = None;
    let (served, ()) = tokio::join!(rig.body(&a), async {
        rig.put(&a, "second").await;
        rig.places[0].set_plan(Plan::new().nth(Operation::Put, 1, Fault::Delay(millis(500))));
        let (tiers, a, entry) = (rig.tiers.clone(), a.clone(), rig.entry("third"));
        third = Some(tokio::spawn(async move { tiers.put(&a, entry).await }));
    });
    assert_eq!(served.as_deref(), Some("third"));
    assert_eq!(rig.held(0, &a).await.map(|entry| entry.body), Some("second".into()));
    assert_eq!(rig.body(&a).await.as_deref(), Some("third"));
    third.unwrap().await.unwrap().unwrap();
}
