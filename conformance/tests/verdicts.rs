//! Runs of the library against its own peers.

use std::time::Duration;

use callotp_conformance::{
    catalogue::Profile,
    peers::{Defect, Manner, Peer},
    run,
    selection::{Rate, Selection},
    verdict::Verdict,
};

fn quick() -> Selection {
    Selection {
        profile: Some(Profile::Hardened),
        rate: Rate::UNLIMITED,
        ..Selection::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_hardened_profile_takes_less_than_two_seconds_slow_clauses_aside() {
    let peer = Peer::start(Manner::default(), None).await.expect("a peer");
    let selection = Selection {
        skip: vec!["validate.expired".to_owned(), "limits.slow-body".to_owned()],
        ..quick()
    };
    let mut best = Duration::MAX;
    // The best of three: what is measured is the suite, not who else uses the machine.
    for _ in 0..3 {
        let begun = tokio::time::Instant::now();
        let report = run(&peer.target(), &selection).await;
        assert_eq!(report.summary.exit, 0, "{}", report.markdown());
        best = best.min(begun.elapsed());
    }
    assert!(best < Duration::from_secs(2), "{best:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_everything_stays_within_the_budget_that_is_the_default() {
    let peer = Peer::start(Manner::default(), None).await.expect("a peer");
    let report = run(&peer.target(), &quick()).await;
    assert_eq!(report.summary.exit, 0, "{}", report.markdown());
    assert!(
        report.summary.otps_issued <= 60,
        "{}",
        report.summary.otps_issued
    );
}

#[tokio::test]
async fn a_budget_that_is_spent_leaves_the_rest_untested_and_never_green() {
    let peer = Peer::start(Manner::default(), None).await.expect("a peer");
    let selection = Selection {
        max_otp: 5,
        ..quick()
    };
    let report = run(&peer.target(), &selection).await;
    assert_eq!(report.summary.exit, 3);
    assert_eq!(report.summary.otps_issued, 5);
    assert!(report.count(Verdict::Untested) > 30);
    let after = report.clause("validate.ok").expect("selected");
    assert_eq!(after.verdict, Verdict::Untested);
}

#[tokio::test]
async fn nothing_selected_is_no_verdict() {
    let peer = Peer::start(Manner::default(), None).await.expect("a peer");
    let selection = Selection {
        only: vec!["no.such".to_owned()],
        ..quick()
    };
    let report = run(&peer.target(), &selection).await;
    assert_eq!((report.summary.exit, report.clauses.len()), (3, 0));
}

#[tokio::test]
async fn a_should_alone_is_no_verdict_since_no_must_was_judged() {
    let peer = Peer::start(Manner::default(), None).await.expect("a peer");
    let selection = Selection {
        only: vec!["cache".to_owned()],
        ..quick()
    };
    let report = run(&peer.target(), &selection).await;
    assert_eq!(report.summary.exit, 3, "{:?}", report.summary.reasons);
}

#[tokio::test]
async fn strict_turns_a_warning_into_a_failure() {
    let peer = Peer::start(Manner::default(), Some(Defect::Cacheable))
        .await
        .expect("a peer");
    let only = vec!["cache".to_owned(), "golden".to_owned()];
    let lax = Selection { only, ..quick() };
    assert_eq!(run(&peer.target(), &lax).await.summary.exit, 0);
    let strict = Selection {
        strict: true,
        ..lax
    };
    assert_eq!(run(&peer.target(), &strict).await.summary.exit, 1);
}

#[tokio::test]
async fn wrong_credentials_are_sent_only_with_consent() {
    let peer = Peer::start(Manner::default(), None).await.expect("a peer");
    let selection = Selection {
        only: vec!["auth.wrong".to_owned()],
        ..quick()
    };
    let report = run(&peer.target(), &selection).await;
    let clause = report.clause("auth.wrong").expect("selected");
    assert_eq!(clause.verdict, Verdict::NotApplicable);
    assert!(clause.got.contains("--allow authfail"), "{}", clause.got);
}

#[tokio::test]
async fn every_failure_shows_its_one_change_and_a_line_to_repeat_it() {
    let peer = Peer::start(Manner::default(), Some(Defect::DefaultTenant))
        .await
        .expect("a peer");
    let selection = Selection {
        only: vec!["tenant".to_owned()],
        ..quick()
    };
    let report = run(&peer.target(), &selection).await;
    let clause = report.clause("tenant.required").expect("selected");
    assert_eq!(clause.verdict, Verdict::Fail);
    assert_eq!(clause.got, "200 with an OTP");
    let exchange = clause.exchange.as_ref().expect("evidence");
    assert_eq!(exchange.change, ["- tenant: t1"]);
    let again = clause.again.as_deref().expect("a line");
    assert!(
        again.starts_with("curl ") && !again.contains("tenant:"),
        "{again}"
    );
}
