//! The radio link's port, its segments, and a local-socket transport.
