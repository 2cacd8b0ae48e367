//! The dashboard in a real browser: live, by keyboard alone, at every width, in light and
//! dark, with a clean console, and without a word to anybody but the mock.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use callotp_mock::Mock;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::ask::{ADA, Ask, mock};

/// WebDriver's codes of keys (W3C WebDriver section 17.4.2).
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

/// A headless Chromium that ends with the test. Debian: chromium, chromium-driver.
struct Browser {
    driver: Child,
    session: String,
    http: reqwest::Client,
}

impl Browser {
    async fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .args(["--port=0", "--log-level=SEVERE"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver, as ci/install-components installs it");
        let out = BufReader::new(driver.stdout.take().expect("its output"));
        let port = out
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                line.strip_suffix('.')?
                    .rsplit_once("on port ")?
                    .1
                    .parse::<u16>()
                    .ok()
            })
            .expect("chromedriver says its port");
        let mut browser = Self {
            driver,
            session: format!("http://127.0.0.1:{port}/session"),
            http: reqwest::Client::new(),
        };
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": arguments},
        }}});
        let session = browser.post("", wanted).await;
        let id = session["sessionId"].as_str().expect("a session").to_owned();
        browser.session = format!("{}/{id}", browser.session);
        browser
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.session);
        let request = self
            .http
            .post(url)
            .json(&body)
            .timeout(Duration::from_secs(60));
        let answer: Value = request
            .send()
            .await
            .expect("chromedriver")
            .json()
            .await
            .expect("JSON");
        assert!(
            answer["value"].get("error").is_none(),
            "{path}: {}",
            answer["value"]["message"]
        );
        answer["value"].clone()
    }

    async fn open(&self, mock: &Mock) {
        self.post("/url", json!({"url": mock.admin_url()})).await;
        self.until("return document.getElementById('live').dataset.state === 'live'")
            .await;
    }

    async fn script(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({"script": script, "args": []}))
            .await
    }

    /// Waits until the script says true; how long that took.
    async fn until(&self, script: &str) -> Duration {
        let begin = Instant::now();
        while self.script(script).await != Value::Bool(true) {
            assert!(begin.elapsed() < Duration::from_secs(20), "never: {script}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        begin.elapsed()
    }

    async fn press(&self, keys: &str) {
        let strokes = keys.chars().flat_map(|key| {
            let key = key.to_string();
            [
                json!({"type": "keyDown", "value": key}),
                json!({"type": "keyUp", "value": key}),
            ]
        });
        let strokes: Vec<Value> = strokes.collect();
        let keyboard = json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]});
        self.post("/actions", keyboard).await;
    }

    /// Presses Tab until the element that has the keyboard answers the question.
    async fn tab_to(&self, question: &str) {
        let script = format!("const at = document.activeElement; return Boolean({question})");
        let mut presses = 0;
        while {
            self.press(TAB).await;
            self.script(&script).await != Value::Bool(true)
        } {
            presses += 1;
            assert!(presses < 60, "the keyboard never gets to {question}");
        }
    }

    async fn emulate(&self, command: &str, parameters: Value) {
        let body = json!({"cmd": format!("Emulation.{command}"), "params": parameters});
        self.post("/goog/cdp/execute", body).await;
    }

    async fn console(&self) -> Value {
        self.post("/se/log", json!({"type": "browser"})).await
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser when it is told to end; what is gone needs no telling.
        let id = self.driver.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.driver.wait();
    }
}

#[tokio::test]
async fn a_call_appears_within_a_second_and_can_be_examined_by_keyboard_alone() {
    let mock = mock().await;
    let browser = Browser::start().await;
    browser.open(&mock).await;
    let begin = Instant::now();
    let ask = Ask::golden("+46701740606")
        .method("POST")
        .and("User-Agent", "asterisk-libcurl-agent/1.0");
    let otp = ask.to(&mock).await.otp();
    browser
        .until("return document.querySelectorAll('#calls tbody tr').length === 1")
        .await;
    assert!(
        begin.elapsed() < Duration::from_secs(1),
        "{:?}",
        begin.elapsed()
    );

    browser.tab_to("at.closest('#calls')").await;
    browser.press(ENTER).await;
    browser
        .until("return document.activeElement.textContent === 'Call c1'")
        .await;
    let text = browser
        .script("return document.getElementById('call').innerText")
        .await;
    let text = text.as_str().expect("text");
    for wanted in [
        "caller.put (must)",
        "Asterisk: CURL() sends GET",
        "POST /api/authentication/getOTP HTTP/1.1",
    ] {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
    let row = browser
        .script("return document.querySelector('#calls tbody tr').innerText")
        .await;
    assert!(
        !row.as_str().expect("text").contains("46701740606"),
        "the number is masked: {row}"
    );

    browser.tab_to("at.id === 'digits'").await;
    browser.press(otp.trim_start_matches('0')).await;
    browser.press(ENTER).await;
    browser
        .until("return document.getElementById('heard-says').dataset.verdict === 'fail'")
        .await;
    let says = browser
        .script("return document.getElementById('heard-says').textContent")
        .await;
    assert!(
        says.as_str()
            .expect("text")
            .contains("the leading zero is lost"),
        "{says}"
    );
    assert_eq!(browser.console().await, json!([]));
}

#[tokio::test]
async fn faults_are_asked_for_and_readiness_is_read_in_the_page() {
    let mock = mock().await;
    let browser = Browser::start().await;
    browser.open(&mock).await;
    browser.tab_to("at.dataset.view === 'faults'").await;
    browser.press(ENTER).await;
    browser.tab_to("at.matches('#next button')").await;
    browser.press(ENTER).await;
    browser
        .until("return document.getElementById('waiting').textContent.includes('status 503')")
        .await;
    assert_eq!(Ask::golden(ADA).to(&mock).await.status, 503);
    browser.script("location.hash = 'readiness'").await;
    browser
        .until("return document.querySelector('#checklist .seen-and-right') !== null")
        .await;
    let link = browser
        .script("return document.getElementById('evidence-html').getAttribute('href')")
        .await;
    assert_eq!(link, "/evidence/t1.html");
    browser.script("location.hash = 'faults'").await;
    browser
        .script("document.getElementById('reset').click()")
        .await;
    browser
        .until("return document.querySelectorAll('#calls tbody tr').length === 0")
        .await;
    assert!(mock.journal().calls().is_empty());
    assert_eq!(browser.console().await, json!([]));
}

#[tokio::test]
async fn the_page_fits_every_width_in_light_and_dark_and_talks_to_its_mock_only() {
    let mock = mock().await;
    let browser = Browser::start().await;
    Ask::golden("${CALLERID(num)}")
        .without("tenant")
        .without("authorization")
        .to(&mock)
        .await;
    // What a caller sends is text on the page, whatever it looks like.
    let hostile =
        Ask::golden("<img src=x onerror=alert(1)>").and("User-Agent", "<script>alert(1)</script>");
    hostile.to(&mock).await;
    for scheme in ["light", "dark"] {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        browser.emulate("setEmulatedMedia", features).await;
        for width in [1280, 390, 320] {
            let size = json!({"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500});
            browser.emulate("setDeviceMetricsOverride", size).await;
            browser.open(&mock).await;
            browser
                .until("return document.querySelectorAll('#calls tbody tr').length === 2")
                .await;
            browser
                .script("document.querySelector('#calls tbody button').click()")
                .await;
            for view in ["inbox", "readiness", "faults"] {
                browser.script(&format!("location.hash = '{view}'")).await;
                browser
                    .until(&format!("return !document.getElementById('{view}').hidden"))
                    .await;
                let fits = "return document.documentElement.scrollWidth <= innerWidth";
                assert_eq!(
                    browser.script(fits).await,
                    true,
                    "{view} at {width}, {scheme}"
                );
            }
            let contrast = browser.script(CONTRAST).await;
            assert!(
                contrast.as_f64().expect("a ratio") >= 4.5,
                "{contrast} at {width}, {scheme}"
            );
        }
    }
    let elsewhere = "return performance.getEntriesByType('resource').map(one => one.name).filter(name => !name.startsWith(location.origin + '/'))";
    assert_eq!(browser.script(elsewhere).await, json!([]));
    assert_eq!(browser.script("return document.images.length").await, 0);
    assert_eq!(browser.console().await, json!([]));
}

/// The lowest contrast of any text that is shown with its background (WCAG 2.2, 1.4.3).
const CONTRAST: &str = r#"
const parts = (color) => color.match(/[\d.]+/g).map(Number);
const light = (color) => {
  const [r, g, b] = parts(color).map((c) => { const s = c / 255; return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const color = getComputedStyle(at).backgroundColor;
    const [, , , alpha = 1] = parts(color);
    if (alpha === 1) return color;
  }
  return "rgb(255, 255, 255)";
};
let lowest = 21;
document.querySelectorAll("tr.new").forEach((row) => row.classList.remove("new"));
for (const node of document.querySelectorAll("body *")) {
  const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
  if (!own || !node.checkVisibility()) continue;
  const [a, b] = [light(getComputedStyle(node).color), light(behind(node))].sort((x, y) => y - x);
  lowest = Math.min(lowest, (a + 0.05) / (b + 0.05));
}
return lowest;
"#;
