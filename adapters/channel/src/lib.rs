//! The relay protocol's two Noise patterns, its envelope and its items.
