//! What all guests of a process make it hold together: one ledger, an account for each of them, charges on it.
//!
//! Half of the limit is divided among the accounts: each has its share of that whatever the others do. The other half
//! belongs to whoever comes first. So all of it is never passed, and one guest's appetite is never another's failure.
//!
//! A charge is given back when it is dropped. It goes where the memory goes that it stands for, and nobody can forget
//! it. Charges are coarse: a message costs none, but for one that grows by a mebibyte or more.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wappa_spec::Size;

/// The memory that all guests of a process hold. Clones are one and the same.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    limit: usize,
    books: Mutex<Books>,
    /// What it has together with other ledgers, if anything.
    pool: Option<Pool>,
}

/// Memory that several ledgers have together, of which none can take so much that nothing is left for another: each may
/// hold as much as is free for all others. One alone has half of it at most, two have a third each, and whoever comes
/// next always finds as much as each of them has. Clones are one and the same.
#[derive(Clone)]
pub struct Pool(Arc<PoolInner>);

struct PoolInner {
    limit: usize,
    /// What all ledgers hold.
    total: Mutex<usize>,
}

impl Pool {
    /// One of so many bytes.
    pub fn new(limit: usize) -> Pool {
        Pool(Arc::new(PoolInner { limit, total: Mutex::default() }))
    }

    /// What all its ledgers may hold together, in bytes.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// What all its ledgers hold, in bytes.
    pub fn held(&self) -> usize {
        *self.total()
    }

    /// A ledger of a stream, which takes from the pool what is charged to it.
    pub fn ledger(&self) -> Ledger {
        // Alone it has half at most, and its accounts share that.
        Ledger(Arc::new(Inner { limit: self.0.limit / 2, books: Mutex::default(), pool: Some(self.clone()) }))
    }

    /// Takes so many bytes for a ledger that holds `held` already.
    fn take(&self, held: usize, bytes: usize) -> bool {
        let mut total = self.total();
        let after = total.saturating_add(bytes);
        let free = self.0.limit.saturating_sub(after);
        let has_room = held.saturating_add(bytes) <= free;
        if has_room {
            *total = after;
        }
        has_room
    }

    fn give_back(&self, bytes: usize) {
        *self.total() -= bytes;
    }

    fn total(&self) -> MutexGuard<'_, usize> {
        self.0.total.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("limit", &self.limit()).field("held", &self.held()).finish()
    }
}

#[derive(Default)]
struct Books {
    /// What each account holds, in bytes, by its number.
    held: Vec<usize>,
    /// Numbers that nobody has.
    free: Vec<usize>,
    /// What all of them hold.
    total: usize,
    /// What they hold beyond their shares; absent when there are more accounts than before, or fewer, until somebody asks.
    excess: Option<usize>,
}

/// What one guest holds. Clones are one and the same.
#[derive(Clone)]
pub struct Account(Arc<Owner>);

struct Owner {
    ledger: Ledger,
    number: usize,
}

/// So many bytes are held. Dropping it gives them back.
#[must_use = "a charge that is dropped is given back"]
pub struct Charge {
    account: Account,
    bytes: usize,
}

/// Charges on several accounts, for what several guests have made of the same messages.
#[derive(Debug, Default)]
pub struct Charges(Vec<Charge>);

/// Why there is no charge: a text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    limit: usize,
    share: usize,
    /// Whether it is what other streams hold that leaves no more.
    is_of_pool: bool,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_of_pool {
            return write!(
                f,
                "the guests of this stream would hold more than is left for all others, which is {} of {} \
                 (`--guest-memory-limit`)",
                Size(self.share as u64),
                Size(self.limit as u64)
            );
        }
        write!(
            f,
            "all guests of the process would hold more than the limit of {} together (`--guest-memory-limit`), and this \
             one more than its share of {}",
            Size(self.limit as u64),
            Size(self.share as u64)
        )
    }
}

impl Ledger {
    /// One for so many bytes.
    pub fn new(limit: usize) -> Ledger {
        Ledger(Arc::new(Inner { limit, books: Mutex::default(), pool: None }))
    }

    /// The most that all accounts may hold together, in bytes.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// What all accounts hold, in bytes.
    pub fn held(&self) -> usize {
        self.books().total
    }

    /// An account for one more guest. It is closed when its last clone and its last charge are gone.
    pub fn account(&self) -> Account {
        let mut books = self.books();
        let number = books.free.pop().unwrap_or_else(|| {
            books.held.push(0);
            books.held.len() - 1
        });
        books.excess = None;
        drop(books);
        Account(Arc::new(Owner { ledger: self.clone(), number }))
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    /// What each account has whatever the others do, in bytes.
    fn share(&self, limit: usize) -> usize {
        limit / 2 / (self.held.len() - self.free.len()).max(1)
    }

    fn take(&mut self, limit: usize, number: usize, bytes: usize) -> Result<(), Refused> {
        let share = self.share(limit);
        let refused = Refused { limit, share, is_of_pool: false };
        let n_accounts = self.held.len() - self.free.len();
        let held = self.held[number];
        let (Some(after), Some(total)) = (held.checked_add(bytes), self.total.checked_add(bytes)) else {
            return Err(refused);
        };
        // An account that is opened late may find its share taken by those that were there.
        if limit < total {
            return Err(refused);
        }
        let more = after.saturating_sub(share) - held.saturating_sub(share);
        if 0 < more {
            let all = || self.held.iter().map(|it| it.saturating_sub(share)).sum();
            let excess = self.excess.unwrap_or_else(all).saturating_add(more);
            if limit - share * n_accounts < excess {
                return Err(refused);
            }
            self.excess = Some(excess);
        }
        self.held[number] = after;
        self.total = total;
        Ok(())
    }

    fn give_back(&mut self, limit: usize, number: usize, bytes: usize) {
        let share = self.share(limit);
        let held = self.held[number];
        let after = held - bytes;
        self.held[number] = after;
        self.total -= bytes;
        let less = held.saturating_sub(share) - after.saturating_sub(share);
        self.excess = self.excess.map(|it| it - less);
    }
}

impl Account {
    /// Charges so many bytes.
    pub fn charge(&self, bytes: usize) -> Result<Charge, Refused> {
        let mut charge = Charge { account: self.clone(), bytes: 0 };
        charge.grow(bytes)?;
        Ok(charge)
    }

    fn take(&self, bytes: usize) -> Result<(), Refused> {
        let Owner { ledger, number } = &*self.0;
        let mut books = ledger.books();
        let held = books.total;
        books.take(ledger.0.limit, *number, bytes)?;
        let Some(pool) = ledger.0.pool.as_ref().filter(|it| !it.take(held, bytes)) else { return Ok(()) };
        books.give_back(ledger.0.limit, *number, bytes);
        Err(Refused {
            limit: pool.limit(),
            share: pool.limit().saturating_sub(pool.held()),
            is_of_pool: true,
        })
    }

    fn give_back(&self, bytes: usize) {
        let Owner { ledger, number } = &*self.0;
        ledger.books().give_back(ledger.0.limit, *number, bytes);
        if let Some(pool) = &ledger.0.pool {
            pool.give_back(bytes);
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let mut books = self.ledger.books();
        books.free.push(self.number);
        books.excess = None;
    }
}

impl Charge {
    /// How many bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Charges so many more.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Refused> {
        if 0 < bytes {
            self.account.take(bytes)?;
            self.bytes += bytes;
        }
        Ok(())
    }

    /// The same for `wanted` bytes where there is room for them, and for `needed` where there is not.
    pub fn grow_by_one_of(&mut self, wanted: usize, needed: usize) -> Result<(), Refused> {
        self.grow(wanted.max(needed)).or_else(|_| self.grow(needed))
    }

    /// Gives back what is more than so many bytes.
    pub fn shrink_to(&mut self, bytes: usize) {
        if let Some(over) = self.bytes.checked_sub(bytes).filter(|it| 0 < *it) {
            self.account.give_back(over);
            self.bytes = bytes;
        }
    }

    fn split_off(&mut self, bytes: usize) -> Charge {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Charge { account: self.account.clone(), bytes }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

impl Charges {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes all of them are.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(Charge::bytes).sum()
    }

    /// Adds one.
    pub fn push(&mut self, mut charge: Charge) {
        match self.0.iter_mut().find(|it| Arc::ptr_eq(&it.account.0, &charge.account.0)) {
            Some(own) => own.bytes += std::mem::take(&mut charge.bytes),
            None => self.0.push(charge),
        }
    }

    /// Adds those.
    pub fn append(&mut self, charges: Charges) {
        if self.0.is_empty() {
            *self = charges;
        } else {
            charges.0.into_iter().for_each(|it| self.push(it));
        }
    }

    /// Divides them as messages are divided, of which so many of all batches stay.
    pub fn split_off(&mut self, n_stay: usize, n_all: usize) -> Charges {
        let goes = |bytes: usize| {
            bytes - (bytes as u128 * n_stay.min(n_all) as u128 / n_all.max(1) as u128) as usize
        };
        Charges(self.0.iter_mut().map(|it| it.split_off(goes(it.bytes))).collect())
    }

    /// Gives back what is more than so many bytes together.
    pub fn shrink_to(&mut self, bytes: usize) {
        let mut left = bytes;
        self.0.retain_mut(|it| {
            it.shrink_to(left);
            left -= it.bytes;
            0 < it.bytes
        });
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ledger({} of {})", self.held(), self.0.limit)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.0.number)
    }
}

impl fmt::Debug for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Charge({} to {:?})", self.bytes, self.account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_takes_all_leaves_the_others_their_share() {
        let ledger = Ledger::new(1000);
        let [greedy, modest, late] = [0; 3].map(|_| ledger.account());
        // Its share, and the half that is for all.
        let mut all = greedy.charge(166 + 502).expect("it is there");
        let refused = all.grow(1).expect_err("all of it is taken");
        assert_eq!(
            refused.to_string(),
            "all guests of the process would hold more than the limit of 1000B together (`--guest-memory-limit`), and \
             this one more than its share of 166B"
        );
        let shares = [&modest, &late].map(|it| it.charge(166).expect("it is its share"));
        assert_eq!(
            (ledger.held(), modest.charge(1).map(|_| ()), late.charge(1).map(|_| ())),
            (1000, Err(refused.clone()), Err(refused))
        );
        // What is given back is there for whoever asks.
        all.shrink_to(100);
        let more = late.charge(502).expect("it was given back");
        drop((all, shares, more));
        assert_eq!(ledger.held(), 0);
        drop((greedy, modest));
        assert_eq!(late.charge(1000).map(|it| it.bytes()), Ok(1000));
    }

    #[test]
    fn the_limit_holds_for_one_that_comes_late_too() {
        let ledger = Ledger::new(1000);
        let first = ledger.account();
        let mut held = first.charge(1000).expect("it is alone");
        let late = ledger.account();
        assert!(late.charge(1).is_err());
        held.shrink_to(800);
        assert_eq!((late.charge(200).map(drop), held.grow(1).is_err()), (Ok(()), true));
        drop(first);
        // Its charge keeps the account.
        assert!(late.charge(201).is_err());
        drop(held);
        assert!(late.charge(1000).is_ok());
    }

    #[test]
    fn charges_go_where_messages_go() {
        let ledger = Ledger::new(10_000);
        let (one, two) = (ledger.account(), ledger.account());
        let mut charges = Charges::default();
        for (account, bytes) in [(&one, 600), (&two, 301), (&one, 300)] {
            charges.push(account.charge(bytes).expect("there is room"));
        }
        assert_eq!((charges.0.len(), charges.bytes()), (2, 1201));
        let rest = charges.split_off(1, 3);
        assert_eq!((charges.bytes(), rest.bytes(), ledger.held()), (400, 801, 1201));
        charges.shrink_to(350);
        assert_eq!(ledger.held(), 1151);
        charges.append(rest);
        charges.shrink_to(10);
        assert_eq!((charges.0.len(), ledger.held()), (1, 10));
        drop(charges);
        assert_eq!(ledger.held(), 0);
    }

    #[test]
    fn whoever_comes_next_finds_room_in_a_pool() {
        let pool = Pool::new(1200);
        let greedy = |ledger: &Ledger| {
            let account = ledger.account();
            let mut charge = account.charge(0).expect("nothing is always there");
            while charge.grow(1).is_ok() {}
            charge
        };
        let (one, two, three) = (pool.ledger(), pool.ledger(), pool.ledger());
        let first = greedy(&one);
        assert_eq!(first.bytes(), 600);
        let second = greedy(&two);
        assert_eq!(second.bytes(), 300);
        let third = greedy(&three);
        assert_eq!((third.bytes(), pool.held()), (150, 1050));
        // Those that were greedy before get no more, and what they give back is for whoever has less.
        assert!(one.account().charge(1).is_err());
        drop(first);
        let mut second = second;
        while second.grow(1).is_ok() {}
        assert_eq!((second.bytes(), pool.held()), (525, 675));
        drop((second, third));
        assert_eq!(pool.held(), 0);
        let text =
            pool.ledger().account().charge(1200).err().map(|it| it.to_string()).expect("it is too much");
        assert!(text.contains("`--guest-memory-limit`"), "{text}");
    }
}
