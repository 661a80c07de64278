//! A sensor as the kernel lists it: attributes in a folder, records in a device file.

use core::ops::ControlFlow;
use gettone_optical::Sample;
use gettone_optical::iio::{IioFault, Sensor};
use std::fs;
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
