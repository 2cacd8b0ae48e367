//! Failures, locks, and how a user comes out of them.

use std::time::Duration;

use crate::stage::{ADA, Setting, Stage};

const THREE: &str = "[tenant.otp]\nattempts = 10\n[tenant.lockout]\nfailures = 3\n\
                     window = \"30m\"\nduration = \"60m\"\n";

fn wrong(otp: &str) -> &'static str {
    if otp == "000000" { "000001" } else { "000000" }
}

#[tokio::test]
async fn wrong_otps_and_wrong_passwords_count_together() {
    let stage = Stage::set(Setting::tenant(THREE)).await;
    let otp = stage.otp(ADA).await;
    stage.validate("ada", "correct horse", wrong(&otp)).await;
    stage.validate("ada", "wrong", &otp).await;
    stage.validate("ada", "wrong", &otp).await;
    assert_eq!(stage.last_reason(4).await, "password_wrong_now_locked");
    assert_eq!(
        stage.validate("ada", "correct horse", &otp).await.status,
        403
    );
    assert_eq!(stage.last_reason(5).await, "user_locked");
    assert_eq!(stage.get_otp(ADA).await.status, 403);
    assert_eq!(stage.last_reason(6).await, "user_locked");
}

#[tokio::test]
async fn a_soft_lock_ends_by_itself_and_a_hard_one_does_not() {
    for (kind, after) in [("soft", 200), ("hard", 403)] {
        let stage = Stage::set(Setting::tenant(&format!("{THREE}kind = \"{kind}\"\n"))).await;
        let otp = stage.otp(ADA).await;
        for _ in 0..3 {
            stage.validate("ada", "correct horse", wrong(&otp)).await;
        }
        stage.clock.advance(Duration::from_secs(3599));
        assert_eq!(stage.get_otp(ADA).await.status, 403, "{kind}");
        stage.clock.advance(Duration::from_secs(1));
        assert_eq!(stage.get_otp(ADA).await.status, after, "{kind}");
    }
}

#[tokio::test]
async fn failures_are_forgotten_after_the_window() {
    let stage = Stage::set(Setting::tenant(THREE)).await;
    for _ in 0..4 {
        let otp = stage.otp(ADA).await;
        stage.validate("ada", "correct horse", wrong(&otp)).await;
        stage.clock.advance(Duration::from_secs(16 * 60));
    }
    let otp = stage.otp(ADA).await;
    assert_eq!(
        stage.validate("ada", "correct horse", &otp).await.status,
        200
    );
}

#[tokio::test]
async fn a_success_clears_the_failures_and_a_new_otp_does_not() {
    let stage = Stage::set(Setting::tenant(THREE)).await;
    for _ in 0..2 {
        let otp = stage.otp(ADA).await;
        stage.validate("ada", "correct horse", wrong(&otp)).await;
        stage.validate("ada", "correct horse", wrong(&otp)).await;
        assert_eq!(
            stage.validate("ada", "correct horse", &otp).await.status,
            200
        );
    }
    for _ in 0..3 {
        let otp = stage.otp(ADA).await;
        stage.validate("ada", "correct horse", wrong(&otp)).await;
    }
    assert_eq!(
        stage.get_otp(ADA).await.status,
        403,
        "a new OTP must not clear the failures"
    );
}

#[tokio::test]
async fn guessing_without_a_live_otp_locks_nobody_out() {
    let stage = Stage::set(Setting::tenant(THREE)).await;
    for _ in 0..10 {
        assert_eq!(stage.validate("ada", "wrong", "123456").await.status, 403);
    }
    let otp = stage.otp(ADA).await;
    assert_eq!(
        stage.validate("ada", "correct horse", &otp).await.status,
        200
    );
}

#[tokio::test]
async fn a_wrong_otp_never_tells_whether_the_password_was_right() {
    for order in ["otp-first", "password-first"] {
        let setting = format!("{THREE}[tenant.validate]\norder = \"{order}\"\n");
        let stage = Stage::set(Setting::tenant(&setting)).await;
        let otp = stage.otp(ADA).await;
        let right = stage.validate("ada", "correct horse", wrong(&otp)).await;
        let wrong = stage.validate("ada", "wrong", wrong(&otp)).await;
        assert_eq!(
            (right.status, right.body_without_id()),
            (wrong.status, wrong.body_without_id()),
            "{order}"
        );
    }
}

#[tokio::test]
async fn password_first_counts_one_failure_whatever_was_wrong() {
    let setting = format!("{THREE}[tenant.validate]\norder = \"password-first\"\n");
    let stage = Stage::set(Setting::tenant(&setting)).await;
    let otp = stage.otp(ADA).await;
    stage.validate("ada", "wrong", wrong(&otp)).await;
    stage.validate("ada", "wrong", &otp).await;
    assert_eq!(
        stage.validate("ada", "correct horse", &otp).await.status,
        200
    );
    for _ in 0..10 {
        stage.validate("ada", "wrong", "123456").await;
    }
    assert_eq!(
        stage.get_otp(ADA).await.status,
        200,
        "nothing was live, so nothing counted"
    );
}

#[tokio::test]
async fn no_crowd_of_simultaneous_guesses_gets_more_tries_than_the_limit() {
    let setting = "[tenant.otp]\nattempts = 3\n[tenant.lockout]\nfailures = 5\n";
    let stage = Stage::set(Setting::tenant(setting)).await;
    let otp = stage.otp(ADA).await;
    let guesses = (0..40).map(|n| {
        let (stage, password) = (&stage, format!("guess {n}"));
        let otp = &otp;
        async move { stage.validate("ada", &password, otp).await }
    });
    futures_util::future::join_all(guesses).await;
    let log = stage.log();
    let tried = log.matches("\"reason\":\"password_wrong").count();
    assert!(tried <= 5, "{tried} passwords were tried:\n{log}");
}
