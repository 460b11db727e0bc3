//! A collection of Stripe objects in the order they were made.
//!
//! Stripe's lists run newest first and continue after an id, so a table must find an id's place without
//! walking everything before it.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize, Serializer};

/// Objects by id, in order of insertion.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Vec<(String, T)>")]
#[serde(bound(deserialize = "T: serde::de::DeserializeOwned"))]
pub struct Table<T> {
    places: HashMap<String, u64>,
    rows: BTreeMap<u64, (String, T)>,
    next: u64,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            places: HashMap::new(),
            rows: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<T> Table<T> {
    /// The object with this id.
    pub fn get(&self, id: &str) -> Option<&T> {
        self.rows.get(self.places.get(id)?).map(|(_, row)| row)
    }

    /// The object with this id, to be changed.
    pub fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.rows.get_mut(self.places.get(id)?).map(|(_, row)| row)
    }

    /// Whether there is such an object.
    pub fn contains(&self, id: &str) -> bool {
        self.places.contains_key(id)
    }

    /// Adds an object as the newest, or replaces the one with its id where it stands.
    pub fn insert(&mut self, id: impl Into<String>, row: T) {
        let id = id.into();
        let place = self.places.get(&id).copied().unwrap_or(self.next);
        self.next = self.next.max(place + 1);
        self.places.insert(id.clone(), place);
        self.rows.insert(place, (id, row));
    }

    /// Takes an object out.
    pub fn remove(&mut self, id: &str) -> Option<T> {
        let place = self.places.remove(id)?;
        self.rows.remove(&place).map(|(_, row)| row)
    }

    /// All objects, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.rows.values().map(|(_, row)| row)
    }

    /// All objects, oldest first, to be changed.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        self.rows.values_mut().map(|(_, row)| row)
    }

    /// Objects made before the one with this id, oldest first; `None` if there is no such id.
    pub fn before(&self, id: &str) -> Option<impl DoubleEndedIterator<Item = &T>> {
        let place = *self.places.get(id)?;
        Some(self.rows.range(..place).map(|(_, (_, row))| row))
    }

    /// Objects made after the one with this id, oldest first; `None` if there is no such id.
    pub fn after(&self, id: &str) -> Option<impl DoubleEndedIterator<Item = &T>> {
        let place = *self.places.get(id)?;
        Some(self.rows.range(place + 1..).map(|(_, (_, row))| row))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }
}

impl<T> From<Vec<(String, T)>> for Table<T> {
    fn from(rows: Vec<(String, T)>) -> Self {
        let mut table = Self::default();
        for (id, row) in rows {
            table.insert(id, row);
        }
        table
    }
}

impl<T: Serialize> Serialize for Table<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows.values())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_object_keeps_its_place_and_a_removed_one_leaves_no_gap() {
        let mut table = Table::default();
        for (id, row) in [("a", 1), ("b", 2), ("c", 3)] {
            table.insert(id, row);
        }
        table.insert("a", 10);
        assert_eq!(table.iter().rev().copied().collect::<Vec<_>>(), [3, 2, 10]);
        assert_eq!(table.remove("b"), Some(2));
        assert_eq!(
            table.before("c").unwrap().copied().collect::<Vec<_>>(),
            [10]
        );
        assert_eq!(table.after("a").unwrap().copied().collect::<Vec<_>>(), [3]);
        assert!(table.before("b").is_none());
    }
}
