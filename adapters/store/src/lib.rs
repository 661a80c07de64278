//! Where the journal lives: in memory or in a directory of segments.
