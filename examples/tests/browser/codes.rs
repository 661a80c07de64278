//! Buying without a radio: the code that the reader shows goes up, the page's light comes down, and
//! the next code brings the receipt.

use crate::chromium::{Browser, Page, Radio};
use crate::light::Eye;
use crate::scene::{ESPRESSO, NAME, Street};
use crate::{Outcome, trial};
use gettone_channel::BoardState;
use gettone_examples::{Codes, Ending, Phone, Places, Seen, Transcript};
use gettone_optical::Sample;
use libtest_mimic::{Failed, Trial};
use serde_json::json;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Purchases that are measured.
const PURCHASES: usize = 11;
/// What half of them may take from the opened link to the machine's credit.
const HALF_MAX: Duration = Duration::from_secs(5);
/// What an espresso costs, in minor units.
const PRICE: u32 = 120;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "a_new_customer_without_radio_scans_signs_in_and_buys",
            a_new_customer_without_radio_scans_signs_in_and_buys,
        ),
        trial(
            "without_radio_from_the_scan_to_the_credit_takes_seconds",
            without_radio_from_the_scan_to_the_credit_takes_seconds,
        ),
        trial(
            "the_pages_own_camera_finds_the_code_and_goes_off",
            the_pages_own_camera_finds_the_code_and_goes_off,
        ),
    ]
}

/// A street whose reader shows codes: somebody with a radio has brought their key to the server.
fn open() -> Result<(Street, Codes), Failed> {
    let (street, codes) = Street::showing()?;
    let shop = street.shop.server();
    let quiet = Transcript::quiet();
    let first = Phone::new(
        "first",
        shop.customer(900, "1.00")?,
        shop,
        &street.places,
        &quiet,
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut visit = first.tap(1).await?;
        visit
            .until("the grant", |status| status.state == BoardState::Granted)
            .await?;
        street.machine.wait("the credit", Seen::is_credit)?;
        visit.leave().await?;
        visit
            .until("the end", |status| {
                matches!(status.state, BoardState::Linked | BoardState::Idle)
            })
            .await
    })?;
    street.machine.until_idle()?;
    Ok((street, codes))
}

/// A customer before the machine, with any browser at all.
struct Customer<'a> {
    street: &'a Street,
    codes: &'a Codes,
    page: Page,
}

impl Customer<'_> {
    /// The code that is on show, once it is another one than `before`; read from its picture, as a
    /// phone's camera does.
    fn scan(&self, before: &str) -> Result<String, Failed> {
        let until = Instant::now() + Page::patience();
        while Instant::now() < until {
            let scanned = self.codes.link().filter(|link| link != before);
            if let Some(link) = scanned
                && read(self.codes).as_ref() == Some(&link)
            {
                return Ok(link);
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        Err("no other code came on show".into())
    }

    /// Opens what was scanned, and waits until it may be paid.
    fn open(&self, link: &str) -> Result<(), Failed> {
        self.page.call("Page.navigate", json!({"url": link}))?;
        self.page
            .until("document.querySelector('[data-name=\"pay\"]')")?;
        Ok(())
    }

    /// Pays, and holds the phone before the reader until the machine shows the credit.
    fn pay(&self) -> Result<Paid, Failed> {
        let began = Instant::now();
        self.page.tap("[data-name='pay']")?;
        self.page.until("document.querySelector('.patch')")?;
        let light = Instant::now();
        let eye = look(&self.page, &self.street.places)?;
        self.street.machine.wait("the credit", Seen::is_credit)?;
        let credit = Instant::now();
        eye.close();
        Ok(Paid {
            ask: light - began,
            light: credit - light,
        })
    }

    /// Says that the machine shows the credit, and takes a product.
    fn take(&self) -> Result<(), Failed> {
        self.page.tap("[data-name='lit']")?;
        self.page.text("[data-name='scan-again']")?;
        let machine = &self.street.machine;
        machine.select(ESPRESSO, PRICE, Ending::Dispensed)?;
        machine.wait("the product", |seen| seen == Seen::Dispensed)?;
        machine.until_idle()?;
        Ok(())
    }
}

/// How long it took.
#[derive(Clone, Copy, Debug)]
struct Paid {
    /// From the tap on "pay" to the first light.
    ask: Duration,
    /// From there to the machine's credit.
    light: Duration,
}

/// Puts the machine's eye before the page's patch.
fn look(page: &Page, places: &Places) -> Result<Eye, Failed> {
    let mut socket = UnixStream::connect(&places.light)?;
    Ok(Eye::open(page, move |sample| {
        let Sample { t_us, r, g, b, c } = sample;
        // A reader that has gone sees nothing.
        let _ = socket.write_all(format!("{t_us},{r},{g},{b},{c}\n").as_bytes());
    })?)
}

/// What a camera reads of the picture on show.
fn read(codes: &Codes) -> Option<String> {
    let file = std::fs::File::open(&codes.picture).ok()?;
    let mut reader = png::Decoder::new(std::io::BufReader::new(file))
        .read_info()
        .ok()?;
    let mut bytes = vec![0; reader.output_buffer_size()?];
    let shape = reader.next_frame(&mut bytes).ok()?;
    let [width, height] = [shape.width, shape.height].map(|side| side as usize);
    // One bit a pixel.
    let grey = |x: usize, y: usize| match bytes[y * shape.line_size + x / 8] >> (7 - x % 8) & 1 {
        0 => 0,
        _ => 255,
    };
    let mut picture = rqrr::PreparedImage::prepare_from_greyscale(width, height, grey);
    let grids = picture.detect_grids();
    grids.first()?.decode().ok().map(|(_, text)| text)
}

fn a_new_customer_without_radio_scans_signs_in_and_buys() -> Outcome {
    let (street, codes) = open()?;
    let browser = Browser::start(Radio::Absent)?;
    let ann = Customer {
        street: &street,
        codes: &codes,
        page: browser.open("about:blank")?,
    };
    let first = ann.scan("")?;
    ann.page.call("Page.navigate", json!({"url": first}))?;
    ann.page.until("document.querySelector('#address')")?;
    assert_eq!(
        ann.page.eval("location.pathname")?,
        "/",
        "the code is in no history"
    );
    let wallet = street.shop.register(&ann.page, "ann@example.org")?;
    street.shop.top_up(wallet, "5.00")?;
    // Who came with a code goes on with it.
    ann.page.says("[data-name='machine']", NAME)?;
    ann.page.tap("[data-name='pay']")?;
    ann.page.tap("[data-name='warning'] button.main")?;
    let eye = look(&ann.page, &street.places)?;
    street.machine.wait("the credit", Seen::is_credit)?;
    eye.close();
    assert_eq!(codes.link(), None, "the machine is taken");
    ann.take()?;

    // The receipt comes by the next code, whoever opens it.
    let second = ann.scan(&first)?;
    ann.open(&second)?;
    ann.page.says("[data-name='bought']", "Espresso")?;
    ann.page.tap("[data-name='close']")?;
    ann.page.says("[data-name='available']", "€3.80")?;

    // A code that was used gives no second light.
    ann.open(&first)?;
    ann.page.tap("[data-name='pay']")?;
    ann.page.says("[data-name='refusal']", "newer code")?;
    street.close()
}

fn without_radio_from_the_scan_to_the_credit_takes_seconds() -> Outcome {
    let (street, codes) = open()?;
    let browser = Browser::start(Radio::Absent)?;
    let page = browser.open(street.shop.url())?;
    let wallet = street.shop.welcome(&page, "ann@example.org")?;
    street.shop.top_up(wallet, "20.00")?;
    page.eval("localStorage.setItem('gettone.warned', 'yes')")?;
    let ann = Customer {
        street: &street,
        codes: &codes,
        page,
    };
    let mut link = String::new();
    let mut steps = Vec::new();
    for _ in 0..PURCHASES {
        link = ann.scan(&link)?;
        let began = Instant::now();
        ann.open(&link)?;
        let open = began.elapsed();
        let paid = ann.pay()?;
        steps.push([open, paid.ask, paid.light, began.elapsed()]);
        ann.take()?;
    }
    link = ann.scan(&link)?;
    ann.open(&link)?;
    ann.page.says("[data-name='bought']", "Espresso")?;
    ann.page.tap("[data-name='close']")?;
    // 20.00 - 11 x 1.20: each purchase was told, and none twice.
    ann.page.says("[data-name='available']", "€6.80")?;

    let quantile = |place: usize, hundredths: usize| {
        let mut values: Vec<_> = steps.iter().map(|step| step[place].as_secs_f64()).collect();
        values.sort_by(f64::total_cmp);
        let rank = (values.len() * hundredths).div_ceil(100).max(1);
        (values.get(rank - 1).copied().unwrap_or_default() * 1e3).round() / 1e3
    };
    let both = |place| json!({"p50": quantile(place, 50), "most": quantile(place, 100)});
    let version = browser.cdp().call(None, "Browser.getVersion", json!({}))?;
    println!(
        "{}",
        json!({
            "figure": "scan to credit, without radio", "unit": "s", "purchases": steps.len(),
            "p50": quantile(3, 50), "most": quantile(3, 100),
            "parts": {"open": both(0), "ask": both(1), "light": both(2)},
            "conditions": {
                "browser": version["product"], "taps": "at once",
                "light": "one picture for each symbol, 79 symbols at 60 Hz",
                "cores": std::thread::available_parallelism().map_or(0, usize::from),
            },
        })
    );
    street.close()?;
    if quantile(3, 50) > HALF_MAX.as_secs_f64() {
        return Err(format!("half of them took longer than {} s", HALF_MAX.as_secs()).into());
    }
    Ok(())
}

/// What a browser that reads codes has, and this one may not: it finds whatever `shown` says as soon as
/// there is a picture. Every camera that was opened is noted.
const READS_CODES: &str = "
    globalThis.tracks = [];
    globalThis.BarcodeDetector = class {
        static async getSupportedFormats() { return ['qr_code']; }
        async detect(video) {
            const isThere = video.videoWidth > 0 && globalThis.shown;
            return isThere ? [{ format: 'qr_code', rawValue: globalThis.shown }] : [];
        }
    };
    if (navigator.mediaDevices) {
        const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (how) => {
            const stream = await open(how);
            globalThis.tracks.push(...stream.getTracks());
            return stream;
        };
    }";

fn the_pages_own_camera_finds_the_code_and_goes_off() -> Outcome {
    let (street, codes) = open()?;
    let browser = Browser::start(Radio::Absent)?;
    let page = browser.open(street.shop.url())?;
    street.shop.welcome(&page, "ann@example.org")?;
    let reads = page.eval("'BarcodeDetector' in globalThis")?;
    if reads == false {
        // Such a browser offers no camera of the page's.
        let offered = page.eval("document.querySelector('[data-name=\"scan\"]')")?;
        assert_eq!(offered, json!(null));
    }
    let script = json!({"source": READS_CODES});
    page.call("Page.addScriptToEvaluateOnNewDocument", script)?;
    page.visit(&format!("{}/?camera", street.shop.url()))?;
    let is_off = "globalThis.tracks.length > 0 && globalThis.tracks.every((track) => track.readyState === 'ended')";
    let is_on = "document.querySelector('video')?.videoWidth > 0";

    // Who looks at something else has no camera on.
    page.tap("[data-name='scan']")?;
    page.until(is_on)?;
    page.eval(
        "(() => {
            Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
            document.dispatchEvent(new Event('visibilitychange'));
            delete document.visibilityState;
        })()",
    )?;
    page.until(is_off)?;
    page.tap("[data-phase='scanning'] button.main")?;
    page.until(is_on)?;
    page.eval("globalThis.shown = 'https://elsewhere.example/t/aaaa.1.bbbb.cccc'")?;
    page.says("[data-name='scan-said']", "no machine’s code")?;

    let ann = Customer {
        street: &street,
        codes: &codes,
        page,
    };
    let link = ann.scan("")?;
    ann.page.eval(&format!("globalThis.shown = {link:?}"))?;
    ann.page.says("[data-name='machine']", NAME)?;
    ann.page.text("[data-name='pay']")?;
    ann.page.until(is_off)?;
    street.close()
}
