//! The light code: colours on a phone's screen, read by a colour sensor.
