use crate::bounds::{PARTITIONS, SHARDS_MAX};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use gettone_core::id::{MachineId, OperatorId, ReaderId, VendId, WalletId};
use gettone_core::port::Key;
use std::sync::Arc;

/// Whose each live session is, for every shard to see. Nothing about money is decided by it.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    sessions: DashMap<VendId, WalletId, ahash::RandomState>,
}

impl Directory {
    /// Whose this live session is.
    pub(crate) fn wallet(&self, session: VendId) -> Option<WalletId> {
        self.sessions.get(&session).map(|wallet| *wallet)
    }

    /// Lists a live session; false when another wallet's has its name.
    pub(crate) fn list(&self, session: VendId, wallet: WalletId) -> bool {
        match self.sessions.entry(session) {
            Entry::Occupied(known) => *known.get() == wallet,
            Entry::Vacant(vacant) => {
                vacant.insert(wallet);
                true
            }
        }
    }

    /// Strikes a session out, if it is this wallet's.
    pub(crate) fn strike(&self, session: VendId, wallet: WalletId) {
        self.sessions
            .remove_if(&session, |_, owner| *owner == wallet);
    }

    /// Keeps of a shard's sessions those that live. Nobody else lists any for its wallets.
    pub(crate) fn keep(&self, shard: ShardOf, lives: impl Fn(WalletId, VendId) -> bool) {
        self.sessions
            .retain(|session, wallet| !shard.hosts((*wallet).into()) || lives(*wallet, *session));
    }

    /// How many sessions live.
    pub(crate) fn live(&self) -> usize {
        self.sessions.len()
    }
}

/// One of so many shards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ShardOf {
    pub(crate) number: usize,
    pub(crate) count: usize,
}

impl ShardOf {
    /// Whether it hosts an entity.
    pub(crate) fn hosts(self, key: Key) -> bool {
        self.hosts_partition(partition(key))
    }

    /// Whether it hosts a partition.
    pub(crate) fn hosts_partition(self, partition: u16) -> bool {
        host(partition, self.count) == self.number
    }
}

/// Who lists the sessions of a shard: nobody, while a journal is replayed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing(pub(crate) Option<Arc<Directory>>);

impl Listing {
    /// As [`Directory::list`].
    pub(crate) fn list(&self, session: VendId, wallet: WalletId) -> bool {
        let directory = self.0.as_ref();
        directory.is_none_or(|directory| directory.list(session, wallet))
    }

    /// As [`Directory::strike`].
    pub(crate) fn strike(&self, session: VendId, wallet: WalletId) {
        if let Some(directory) = &self.0 {
            directory.strike(session, wallet);
        }
    }
}

/// Which of `shards` hosts a wallet with all its sessions.
pub(crate) fn wallet_shard(wallet: WalletId, shards: usize) -> usize {
    host(partition(wallet.into()), shards)
}

/// Which of `shards` hosts a machine.
pub(crate) fn machine_shard(machine: MachineId, shards: usize) -> usize {
    host(partition(machine.into()), shards)
}

/// Which of `shards` hosts a reader.
pub(crate) fn reader_shard(reader: ReaderId, shards: usize) -> usize {
    host(partition(reader.into()), shards)
}

/// Which of `shards` hosts an operator's money.
pub(crate) fn operator_shard(operator: OperatorId, shards: usize) -> usize {
    host(partition(operator.into()), shards)
}

/// Which of `shards` hosts a partition: neighbours stay together.
pub(crate) fn host(partition: u16, shards: usize) -> usize {
    usize::from(partition) * shards.clamp(1, SHARDS_MAX) / usize::from(PARTITIONS)
}

/// The partition of an entity, which never changes. Numbers that may follow each other are spread
/// (the finalizer of splitmix64) before the high bits are taken.
pub(crate) fn partition(key: Key) -> u16 {
    let mut mixed = key.number().wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    u16::try_from(mixed >> (64 - PARTITIONS.ilog2())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_spread_evenly_over_the_shards() {
        for shards in [1, 2, 3, 8, 64] {
            let mut hosted = vec![0_usize; shards];
            for number in 0..64_000 {
                if let Some(count) =
                    hosted.get_mut(host(partition(WalletId::new(number).into()), shards))
                {
                    *count += 1;
                }
            }
            let fair = 64_000 / shards;
            assert_eq!(hosted.iter().sum::<usize>(), 64_000, "each has one shard");
            assert!(
                hosted.iter().all(|count| count.abs_diff(fair) * 5 < fair),
                "{shards} shards host {hosted:?}"
            );
        }
    }

    #[test]
    fn a_name_has_one_owner_until_it_is_struck_out() {
        let directory = Directory::default();
        let name = VendId::from_bytes([1; 16]);
        let (ours, theirs) = (WalletId::new(1), WalletId::new(2));
        assert!(directory.list(name, ours));
        assert!(directory.list(name, ours), "a retry is harmless");
        assert!(!directory.list(name, theirs));
        directory.strike(name, theirs);
        assert_eq!(directory.wallet(name), Some(ours), "not theirs to strike");
        directory.strike(name, ours);
        assert!(directory.list(name, theirs));
        assert_eq!(directory.live(), 1);
    }
}
