//! A sensor as the kernel lists it: attributes in a folder, records in a device file.

use core::ops::ControlFlow;
use gettone_optical::iio::{BusClock, IioFault, Sensor};
use gettone_optical::sim::{Channel, Eye, Tier};
use gettone_optical::{Decoder, Kind, Payload, RefreshRate, Sample, encode_at};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Folders with the kernel's names in them.
struct Board(TempDir);

impl Board {
    fn new() -> Self {
        let board = Self(tempfile::tempdir().expect("a directory"));
        fs::create_dir(board.devices()).expect("new");
        board
    }

    fn sysfs(&self) -> PathBuf {
        self.0.path().join("sys")
    }

    fn devices(&self) -> PathBuf {
        self.0.path().join("dev")
    }

    /// A device, with these attributes.
    fn device(&self, number: &str, attributes: &[(&str, &str)]) -> PathBuf {
        let place = self.sysfs().join(number);
        for (name, value) in attributes {
            let path = place.join(name);
            fs::create_dir_all(path.parent().expect("in a folder")).expect("new");
            fs::write(path, format!("{value}\n")).expect("room");
        }
        place
    }

    fn tcs3472(&self, number: &str, more: &[(&str, &str)]) -> PathBuf {
        self.device(
            number,
            &[
                ("name", "tcs3472"),
                ("in_intensity_clear_raw", "900"),
                ("in_intensity_red_raw", "300"),
                ("in_intensity_green_raw", "200"),
                ("in_intensity_blue_raw", "100"),
                ("in_intensity_calibscale", "1"),
                ("calibscale_available", "1 4 16 60"),
                ("in_intensity_integration_time", "0.6144"),
                ("integration_time_available", "0.0048 0.0024 0.6144"),
            ],
        );
        self.device(number, more)
    }

    fn open(&self, wanted: &str) -> Result<Sensor, IioFault> {
        Sensor::open_in(&self.sysfs(), &self.devices(), wanted)
    }
}

fn said(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("an attribute");
    text.trim().to_owned()
}

#[test]
fn a_sensor_is_found_by_its_name_its_label_or_its_number() {
    let board = Board::new();
    board.device("iio:device0", &[("name", "bme280")]);
    board.tcs3472("iio:device1", &[("label", "window")]);
    for wanted in ["tcs3472", "window", "iio:device1"] {
        let survey = board.open(wanted).expect(wanted).survey().expect(wanted);
        assert_eq!(survey.name, "tcs3472", "{wanted}");
        assert_eq!(survey.gains, ["1", "4", "16", "60"]);
        assert!(survey.rate_hz > 0);
    }
    let fault = board.open("tcs3414").expect_err("not there");
    assert_eq!(
        fault.to_string(),
        "there is no sensor tcs3414; there are: bme280, tcs3472"
    );
    let fault = board.open("bme280").expect_err("no colours");
    assert!(matches!(fault, IioFault::NoColour { .. }), "{fault}");
}

#[test]
fn a_sensor_gathers_light_as_shortly_as_it_can_and_begins_at_a_middle_gain() {
    let board = Board::new();
    let place = board.tcs3472("iio:device0", &[]);
    let sensor = board.open("tcs3472").expect("there");
    sensor.run(|_| ControlFlow::Break(())).expect("readable");
    assert_eq!(said(&place.join("in_intensity_integration_time")), "0.0024");
    assert_eq!(said(&place.join("in_intensity_calibscale")), "16");
}

#[test]
fn a_sensor_that_gathers_light_for_too_long_is_refused_with_the_reason() {
    let board = Board::new();
    board.tcs3472("iio:device0", &[]);
    let quick = board.open("tcs3472").expect("there").survey();
    assert!(quick.expect("readable").check().is_ok());
    let slow = Board::new();
    slow.tcs3472(
        "iio:device0",
        &[
            ("integration_time_available", "0.028 0.1"),
            ("in_intensity_integration_time", "0.1"),
        ],
    );
    let survey = slow.open("tcs3472").expect("there").survey();
    let fault = survey.expect("readable").check().expect_err("28 ms");
    let said = fault.to_string();
    assert!(said.contains("gathered for 0.028 s"), "{said}");
    assert!(said.contains("400 kHz"), "{said}");
}

#[test]
fn rows_are_read_channel_by_channel_with_times_that_never_go_back() {
    let board = Board::new();
    board.tcs3472("iio:device0", &[]);
    let sensor = board.open("tcs3472").expect("there");
    let mut rows: Vec<Sample> = Vec::new();
    sensor
        .run(|row| {
            rows.push(row);
            match rows.len() {
                5 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        })
        .expect("readable");
    assert!(rows.is_sorted_by_key(|row| row.t_us));
    for Sample { r, g, b, c, .. } in rows {
        assert_eq!((r, g, b, c), (300, 200, 100, 900));
    }
}

#[test]
fn counts_outside_their_range_are_clipped_and_words_are_a_fault() {
    let board = Board::new();
    let place = board.tcs3472("iio:device0", &[]);
    fs::write(place.join("in_intensity_red_raw"), "99999\n").expect("room");
    fs::write(place.join("in_intensity_blue_raw"), "-5\n").expect("room");
    let sensor = board.open("tcs3472").expect("there");
    sensor
        .run(|row| {
            assert_eq!((row.r, row.b), (u16::MAX, 0));
            ControlFlow::Break(())
        })
        .expect("readable");
    fs::write(place.join("in_intensity_red_raw"), "busy\n").expect("room");
    let fault = sensor
        .run(|_| ControlFlow::Continue(()))
        .expect_err("words");
    assert!(matches!(fault, IioFault::Device { .. }), "{fault}");
}

#[test]
fn a_sensor_with_a_trigger_is_read_in_whole_records() {
    let board = Board::new();
    let place = board.tcs3472(
        "iio:device0",
        &[
            ("trigger/current_trigger", "light"),
            ("buffer/enable", "0"),
            ("buffer/length", "2"),
            ("scan_elements/in_intensity_clear_type", "le:u16/16>>0"),
            ("scan_elements/in_intensity_clear_index", "0"),
            ("scan_elements/in_intensity_red_type", "le:u16/16>>0"),
            ("scan_elements/in_intensity_red_index", "1"),
            ("scan_elements/in_intensity_green_type", "le:u16/16>>0"),
            ("scan_elements/in_intensity_green_index", "2"),
            ("scan_elements/in_intensity_blue_type", "le:u16/16>>0"),
            ("scan_elements/in_intensity_blue_index", "3"),
            ("scan_elements/in_timestamp_type", "le:s64/64>>0"),
            ("scan_elements/in_timestamp_index", "4"),
        ],
    );
    let mut records = Vec::new();
    for row in 1..=3_u16 {
        for count in [9 * row, 3 * row, 2 * row, row] {
            records.extend_from_slice(&count.to_le_bytes());
        }
        records.extend_from_slice(&(2_400_000 * i64::from(row)).to_le_bytes());
    }
    // The kernel never cuts a record; whatever does is found out.
    records.extend_from_slice(&[1, 2, 3]);
    fs::write(board.devices().join("iio:device0"), records).expect("room");
    let sensor = board.open("tcs3472").expect("there");
    let mut rows = Vec::new();
    let fault = sensor
        .run(|row| {
            rows.push((row.t_us, row.r, row.g, row.b, row.c));
            ControlFlow::Continue(())
        })
        .expect_err("it ends");
    assert!(matches!(fault, IioFault::Device { .. }), "{fault}");
    assert_eq!(
        rows,
        [
            (2_400, 3, 2, 1, 9),
            (4_800, 6, 4, 2, 18),
            (7_200, 9, 6, 3, 27)
        ]
    );
    assert_eq!(said(&place.join("buffer/enable")), "1");
    for channel in ["in_intensity_red", "in_intensity_clear", "in_timestamp"] {
        let is_on = place.join(format!("scan_elements/{channel}_en"));
        assert_eq!(said(&is_on), "1", "{channel}");
    }
}

/// A sensor where the kernel really has it: a link from the list into the tree of devices, on a bus of this clock.
fn on_a_bus(cell: Option<&[u8]>) -> (Board, PathBuf) {
    let board = Board::new();
    let chip = board.tcs3472("tree/3f804000.i2c/i2c-1/1-0029/iio:device7", &[]);
    let tree = board.0.path().join("tree");
    fs::rename(board.sysfs().join("tree"), &tree).expect("one file system");
    let moved = tree.join(
        chip.strip_prefix(board.sysfs().join("tree"))
            .expect("in it"),
    );
    std::os::unix::fs::symlink(&moved, board.sysfs().join("iio:device7")).expect("a link");
    if let Some(cell) = cell {
        let node = tree.join("3f804000.i2c/of_node");
        fs::create_dir(&node).expect("new");
        fs::write(node.join("clock-frequency"), cell).expect("room");
    }
    (board, moved)
}

#[test]
fn the_clock_of_the_bus_is_told_where_the_kernel_shows_it() {
    for (cell, bus, told, advice) in [
        (
            Some(400_000_u32.to_be_bytes().to_vec()),
            BusClock::I2c { hz: Some(400_000) },
            "I2C at 400 kHz",
            None,
        ),
        (
            Some(100_000_u32.to_be_bytes().to_vec()),
            BusClock::I2c { hz: Some(100_000) },
            "I2C at 100 kHz",
            Some("set its I2C bus to 400 kHz: rows mix two pictures at this rate"),
        ),
        (
            None,
            BusClock::I2c { hz: None },
            "I2C, whose clock this kernel does not show",
            None,
        ),
        // A cell of another length is no clock.
        (
            Some(vec![1, 2, 3]),
            BusClock::I2c { hz: None },
            "I2C, whose clock this kernel does not show",
            None,
        ),
    ] {
        let (board, _tree) = on_a_bus(cell.as_deref());
        let survey = board.open("tcs3472").expect("there").survey();
        let mut survey = survey.expect("readable");
        assert_eq!(survey.bus, bus);
        assert_eq!(survey.bus.to_string(), told);
        // Files of a test are read faster than any bus.
        survey.rate_hz = 1_000;
        assert_eq!(survey.advice(), advice);
        survey.rate_hz = 100;
        assert!(
            survey
                .advice()
                .is_some_and(|advice| advice.contains("400 kHz"))
        );
    }
    let board = Board::new();
    board.tcs3472("iio:device0", &[]);
    let survey = board.open("tcs3472").expect("there").survey();
    assert_eq!(survey.expect("readable").bus, BusClock::Other);
}

/// A converter whose photodiodes are wired in another order than the colours are named.
fn converter(board: &Board, labels: &[&str]) -> PathBuf {
    let mut attributes: Vec<(String, String)> = vec![("name".into(), "ads1015".into())];
    for (number, label) in ["blue", "spare", "red", "green"].iter().enumerate() {
        let channel = format!("in_voltage{number}");
        attributes.push((format!("{channel}_raw"), (100 * number).to_string()));
        if labels.contains(label) {
            attributes.push((format!("{channel}_label"), (*label).to_owned()));
        }
        attributes.push((
            format!("scan_elements/{channel}_type"),
            "le:s12/16>>4".into(),
        ));
        attributes.push((format!("scan_elements/{channel}_index"), number.to_string()));
    }
    attributes.push((
        "scan_elements/in_timestamp_type".into(),
        "le:s64/64>>0".into(),
    ));
    attributes.push(("scan_elements/in_timestamp_index".into(), "4".into()));
    attributes.push(("trigger/current_trigger".into(), "light".into()));
    attributes.push(("buffer/enable".into(), "1".into()));
    attributes.push(("buffer/length".into(), "2".into()));
    let attributes: Vec<(&str, &str)> = attributes
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let place = board.device("iio:device3", &attributes);
    board.device(
        "trigger0",
        &[("name", "light"), ("sampling_frequency", "833")],
    );
    place
}

#[test]
fn photodiodes_are_found_by_their_labels_or_are_the_first_three() {
    let board = Board::new();
    converter(&board, &["red", "green", "blue"]);
    let survey = board.open("ads1015").expect("there").survey();
    let survey = survey.expect("readable");
    assert_eq!(survey.rate_hz, 833, "the trigger's pace");
    assert!(survey.check().is_ok());
    let half = Board::new();
    converter(&half, &["red", "green"]);
    let fault = half.open("ads1015").expect_err("no blue");
    assert!(
        fault
            .to_string()
            .contains("labels them red, green and blue"),
        "{fault}"
    );
    let plain = Board::new();
    converter(&plain, &[]);
    assert!(plain.open("ads1015").is_ok());
}

/// Seed 4: what photodiodes see of a phone of 120 Hz, as the records of a converter through a pipe.
#[test]
fn a_code_is_read_from_a_converters_records_in_a_pipe() {
    let board = Board::new();
    let place = converter(&board, &["red", "green", "blue"]);
    let pipe = board.devices().join("iio:device3");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|made| made.success()), "a pipe");
    let sent = Payload::new(Kind::LightGrant, *b"photodiode");
    let rate = RefreshRate::new(120).expect("a display's rate");
    let rows: Vec<Sample> = Channel::new(4, Tier::Nominal, rate)
        .with_eye(Eye::Photodiodes)
        .play(&encode_at(&sent, rate))
        .take(2_000)
        .collect();
    let writer = std::thread::spawn(move || {
        let mut out = fs::OpenOptions::new()
            .write(true)
            .open(pipe)
            .expect("somebody reads");
        for row in rows {
            let mut record = Vec::new();
            // By index: red, green, then blue lies first; the clear one is not switched on.
            for count in [row.b, row.r, row.g] {
                record.extend_from_slice(&(count.min(2_047) << 4).to_le_bytes());
            }
            record.extend_from_slice(&[0; 2]);
            record.extend_from_slice(&(row.t_us * 1_000).to_le_bytes());
            // The reader leaves when it has its payload.
            if out.write_all(&record).is_err() {
                return;
            }
        }
    });
    let mut decoder = Decoder::new();
    let mut read = None;
    board
        .open("ads1015")
        .expect("there")
        .run(|row| match decoder.push(row) {
            None => ControlFlow::Continue(()),
            Some(decoded) => {
                read = Some(decoded);
                ControlFlow::Break(())
            }
        })
        .expect("readable");
    writer.join().expect("it ends");
    let read = read.expect("a payload");
    assert_eq!(read.payload, sent);
    assert!(read.elapsed_us < 900_000, "{} us", read.elapsed_us);
    assert_eq!(said(&place.join("buffer/enable")), "1");
    assert_eq!(said(&place.join("scan_elements/in_voltage2_en")), "1");
    assert!(!place.join("scan_elements/in_voltage1_en").exists());
}
