//! Random bytes, and keys that nobody else has.

use i405_proto::keys::{Aead, DIRECTION_KEY_BYTES, hardware_aeads};
use i405_proto::seal::Sealer;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::platform::error::Error;

/// Random bytes of the operating system.
///
/// # Errors
/// [`Error::System`] if it has none, which Linux does not do after boot.
pub fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    #[cfg(feature = "simulation")]
    if crate::platform::simulated::fill_random(&mut bytes) {
        return Ok(bytes);
    }
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::system("get random bytes")(std::io::Error::from_raw_os_error(libc::EIO)))?;
    Ok(bytes)
}

/// A key that nobody else has, under the AEAD that sessions here most likely have, so that slots cost the same.
pub fn throwaway() -> Result<Sealer, Error> {
    let seed = Zeroizing::new(random::<DIRECTION_KEY_BYTES>()?);
    let hardware = hardware_aeads() & Aead::Aes256Gcm.bit() != 0;
    Ok(Sealer::throwaway(if hardware { Aead::Aes256Gcm } else { Aead::ChaCha20Poly1305 }, &seed))
}
