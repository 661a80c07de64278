//! A configuration as a file would say it.

use super::{Config, LightSource};
use crate::token::Freshness;
use gettone_core::board::Sessions;
use gettone_display::gpio::{Active, Wiring};
use gettone_mdb::item::Coding;
use gettone_mdb::{Address, Options, cashless};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// Everything, defaults included; reading it gives the same configuration.
pub(super) fn print(config: &Config) -> String {
    let mut text = String::new();
    let mut say = |line: std::fmt::Arguments<'_>| {
        text.write_fmt(line).expect("a string takes all");
        text.push('\n');
    };
    say(format_args!("state = {}", path(&config.state)));
    say(format_args!("machine = {}", config.machine));
    say(format_args!("language = \"{}\"", config.language));
    match &config.status {
        Some(status) => say(format_args!("status = {}", path(status))),
        None => say(format_args!("# status = \"/run/gettone/status.json\"")),
    }
    let air = toml::Value::String(config.air.to_string());
    say(format_args!("air = {air}"));
    let (kind, place) = match &config.light {
        LightSource::File(place) => ("file", place.as_path()),
        LightSource::Socket(place) => ("socket", place.as_path()),
        LightSource::Iio(sensor) => ("iio", Path::new(sensor)),
    };
    say(format_args!("light = {}", spec(kind, place)));
    say(format_args!("\n[mdb]"));
    say(format_args!("link = {}", quoted(config.link.to_string())));
    let device = &config.device;
    say(format_args!("address = \"{}\"", address(device)));
    say(format_args!("currency = \"{}\"", config.currency));
    say(format_args!("scale = {}", device.scale));
    say(format_args!("decimals = {}", device.decimals));
    say(format_args!("max_response_s = {}", device.max_response_s));
    let multivend = matches!(config.sessions, Sessions::ManyVends);
    say(format_args!("multivend = {multivend}"));
    say(format_args!("level = {}", device.level.number()));
    say(format_args!("cash_sales = {}", device.cash_sales));
    say(format_args!("vend_answer = \"{}\"", vend_answer(device)));
    let options = options(device).map(quoted).collect::<Vec<_>>();
    say(format_args!("options = [{}]", options.join(", ")));
    let hours = config.audit_every.as_secs() / 3_600;
    say(format_args!("audit_every_h = {hours}"));
    let coding = coding(config.numbering.coding());
    say(format_args!("item_coding = \"{coding}\""));
    if !config.numbering.pairs().is_empty() {
        say(format_args!("\n[mdb.items]"));
    }
    for pair in config.numbering.pairs() {
        say(format_args!("0x{:04X} = {}", pair.bus, pair.shown));
    }
    match &config.token {
        Some(places) => {
            say(format_args!("\n[token]"));
            say(format_args!("url = {}", quoted(places.url.clone())));
            let signs = places.signs.iter().map(|sign| quoted(sign.to_string()));
            let signs = signs.collect::<Vec<_>>().join(", ");
            say(format_args!("show = [{signs}]"));
            let every = match places.tag {
                Freshness::Each => 1,
                Freshness::EverySecond => 2,
            };
            say(format_args!("tag_every = {every}"));
        }
        None => say(format_args!("\n# [token]: no codes on show")),
    }
    match &config.road {
        Some(place) => {
            say(format_args!("\n[road]"));
            say(format_args!("url = {}", quoted(place.url.to_string())));
            say(format_args!("ca = {}", path(&place.ca)));
        }
        None => say(format_args!("\n# [road]: phones carry all")),
    }
    say(format_args!("\n[keys]"));
    let days = config.keys_age_max.map_or(0, |age| age.as_secs() / 86_400);
    say(format_args!("rotate_after_days = {days}"));
    match &config.panel {
        Some(wiring) => print_panel(wiring, &mut say),
        None => say(format_args!("\n# [panel]: no lamp and no buzzer")),
    }
    say(format_args!("\n[limits]"));
    let limits = &config.limits;
    for (name, limit) in [
        ("code_s", limits.code_max),
        ("answer_s", limits.answer_max),
        ("idle_s", limits.idle_max),
        ("grant_s", limits.grant_max),
        ("resume_s", limits.resume_max),
        ("vend_s", limits.vend_max),
        ("session_end_s", limits.session_end_max),
    ] {
        say(format_args!("{name} = {}", Duration::as_secs(&limit)));
    }
    match &config.release_keys[..] {
        [] => say(format_args!("\n# [firmware]: its own program only")),
        keys => {
            say(format_args!("\n[firmware]"));
            let keys = keys.iter().map(|key| quoted(key.to_string()));
            let keys = keys.collect::<Vec<_>>().join(", ");
            say(format_args!("release_keys = [{keys}]"));
        }
    }
    for (item, name, price) in config.prices.rows() {
        say(format_args!("\n[[price]]"));
        say(format_args!("item = {item}"));
        say(format_args!("name = {}", quoted(name.to_owned())));
        say(format_args!("price = \"{price}\""));
    }
    for server in &config.servers {
        say(format_args!("\n[[server]]"));
        say(format_args!("epoch = {}", server.epoch));
        say(format_args!("key = \"{}\"", server.key));
    }
    text
}

fn print_panel(wiring: &Wiring, say: &mut impl FnMut(std::fmt::Arguments<'_>)) {
    say(format_args!("\n[panel]"));
    say(format_args!("chip = {}", path(&wiring.chip)));
    for (name, line) in [
        ("red", wiring.red),
        ("green", wiring.green),
        ("blue", wiring.blue),
        ("buzzer", wiring.buzzer),
    ] {
        if let Some(line) = line {
            say(format_args!("{name} = {line}"));
        }
    }
    let active = match wiring.active {
        Active::High => "high",
        Active::Low => "low",
    };
    say(format_args!("active = \"{active}\""));
}

fn path(path: &Path) -> String {
    quoted(path.display().to_string())
}

fn quoted(text: String) -> String {
    toml::Value::String(text).to_string()
}

fn spec(kind: &str, place: &Path) -> String {
    quoted(format!("{kind}:{}", place.display()))
}

fn address(device: &cashless::Config) -> &'static str {
    match device.address {
        Address::First => "first",
        Address::Second => "second",
    }
}

fn vend_answer(device: &cashless::Config) -> &'static str {
    match device.answers.vend {
        cashless::Answer::Immediate => "immediate",
        cashless::Answer::Deferred => "deferred",
    }
}

/// The names of what it offers at level 3.
fn options(device: &cashless::Config) -> impl Iterator<Item = String> {
    let offered = device.options;
    let names = [
        (Options::WIDE_MONEY, "wide-money"),
        (Options::CURRENCIES, "currencies"),
        (Options::ALWAYS_IDLE, "always-idle"),
        (Options::REMOTE_VEND, "remote-vend"),
        (Options::ITEM_INFO, "named-item"),
        (Options::NEGATIVE_VEND, "negative-vend"),
        (Options::BASKET, "basket"),
        (Options::FILE_TRANSPORT, "file-transport"),
    ];
    let named = names.into_iter().filter(move |(it, _)| offered.has(*it));
    named.map(|(_, name)| name.to_owned())
}

fn coding(coding: Coding) -> &'static str {
    match coding {
        Coding::Bcd => "bcd",
        Coding::RowColumn => "row-column",
        Coding::Ascii => "ascii",
        Coding::PriceList => "price-list",
        Coding::Plain | _ => "plain",
    }
}
