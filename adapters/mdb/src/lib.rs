//! MDB/ICP: words, blocks, the cashless device and the machine controller.
