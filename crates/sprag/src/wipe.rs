//! Secrets wiped from memory once they have been used, all of their bytes at once: what every request brings and gets is.

use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};

use zeroize::optimization_barrier;

/// Writes zeros over all of it; the compiler does not leave that out.
pub fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    optimization_barrier(bytes);
}

/// A secret that is wiped when it is dropped.
#[derive(Clone)]
pub struct Wiped<T: Wipe>(T);

/// What can be wiped.
pub trait Wipe {
    /// Wipes it; what is left of it is of no use.
    fn wipe(&mut self);
}

impl<T: Wipe> Wiped<T> {
    /// The secret, to be wiped from now on.
    pub fn new(secret: T) -> Self {
        Self(secret)
    }
}

impl<T: Wipe> Deref for Wiped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Wipe> DerefMut for Wiped<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Wipe> Drop for Wiped<T> {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

impl<const N: usize> Wipe for [u8; N] {
    fn wipe(&mut self) {
        wipe(self);
    }
}

/// With the room behind it, where more may have stood.
impl Wipe for Vec<u8> {
    fn wipe(&mut self) {
        wipe(self);
        self.clear();
        let room = self.spare_capacity_mut();
        room.fill(MaybeUninit::new(0));
        optimization_barrier(room);
    }
}

impl Wipe for String {
    fn wipe(&mut self) {
        std::mem::take(self).into_bytes().wipe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_secret_is_wiped() {
        let mut array = *b"secret";
        array.wipe();
        assert_eq!(array, [0; 6]);
        let mut text = "secret".to_owned();
        text.wipe();
        assert_eq!(text, "");
        let mut bytes = b"secret".to_vec();
        wipe(&mut bytes[..3]);
        assert_eq!(bytes, b"\0\0\0ret");
        bytes.wipe();
        assert!(bytes.is_empty() && bytes.capacity() >= 6, "what is wiped is still ours");
        bytes.resize(6, 1);
        assert_eq!(bytes, [1; 6]);
    }
}
