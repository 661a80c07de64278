//! Pictures of pages in few colours: they are small, and nobody sees the difference.

use std::collections::BTreeMap;
use std::io;

/// Colours of one picture.
const COLOURS_MAX: usize = 256;

type Colour = [u8; 3];

/// The same PNG with its commonest colours only, each other one as the nearest of them.
pub(crate) fn packed(picture: &[u8]) -> io::Result<Vec<u8>> {
    let mut reader = png::Decoder::new(io::Cursor::new(picture)).read_info()?;
    let mut bytes = vec![0; reader.output_buffer_size().unwrap_or_default()];
    let shape = reader.next_frame(&mut bytes)?;
    let samples = shape.color_type.samples();
    if samples < 3 || shape.bit_depth != png::BitDepth::Eight {
        return Ok(picture.to_vec());
    }
    let pixels = || {
        let pixels = bytes.chunks_exact(samples);
        pixels.map(|pixel| [pixel[0], pixel[1], pixel[2]])
    };
    let mut counts: BTreeMap<Colour, u32> = BTreeMap::new();
    for colour in pixels() {
        *counts.entry(colour).or_default() += 1;
    }
    let mut palette: Vec<Colour> = counts.keys().copied().collect();
    palette.sort_by_key(|colour| core::cmp::Reverse(counts[colour]));
    palette.truncate(COLOURS_MAX);
    let places: BTreeMap<Colour, u8> = counts
        .keys()
        .map(|colour| (*colour, nearest(&palette, *colour)))
        .collect();
    let indices: Vec<u8> = pixels().map(|colour| places[&colour]).collect();

    let mut packed = Vec::new();
    let mut encoder = png::Encoder::new(&mut packed, shape.width, shape.height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(palette.concat());
    encoder.set_compression(png::Compression::High);
    // Neighbouring numbers of a palette have nothing to do with each other.
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&indices)?;
    writer.finish()?;
    Ok(packed)
}

fn nearest(palette: &[Colour], wanted: Colour) -> u8 {
    let distance = |colour: &Colour| -> u32 {
        let parts = colour.iter().zip(wanted);
        parts
            .map(|(one, other)| u32::from(one.abs_diff(other)).pow(2))
            .sum()
    };
    let places = 0..=u8::MAX;
    places
        .zip(palette)
        .min_by_key(|(_, colour)| distance(colour))
        .map_or(0, |(place, _)| place)
}
