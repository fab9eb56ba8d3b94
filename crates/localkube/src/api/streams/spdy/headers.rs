//! SPDY's header blocks: counted pairs, compressed as one zlib text per direction, begun with a known dictionary.

use std::io;

use bytes::{Buf, Bytes};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

/// More headers than this are a mistake or malice.
const BLOCK_MAX: usize = 1 << 20;

/// The first part of the dictionary: each word comes after its length in four bytes.
const WORDS: &str = "options head post put delete trace accept accept-charset accept-encoding accept-language \
    accept-ranges age allow authorization cache-control connection content-base content-encoding content-language \
    content-length content-location content-md5 content-range content-type date etag expect expires from host if-match \
    if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma \
    proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade \
    user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie \
    keep-alive origin";

/// The rest of it, as it is.
const TEXT: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505\
    203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden\
    404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable\
    Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT\
    chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,\
    publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

/// The dictionary of the SPDY/3 draft, section 2.6.10.1.
pub(super) fn dictionary() -> Vec<u8> {
    let mut dictionary = Vec::with_capacity(1423);
    for word in WORDS.split(' ').map(|word| word.replace('_', " ")) {
        dictionary.extend_from_slice(&[0, 0, 0, u8::try_from(word.len()).unwrap_or(0)]);
        dictionary.extend_from_slice(word.as_bytes());
    }
    dictionary.extend_from_slice(TEXT.as_bytes());
    dictionary
}

/// Reads the other side's header blocks, in the order of their arrival.
pub(super) struct Unpacker {
    inflate: Decompress,
}

impl Default for Unpacker {
    fn default() -> Self {
        Self { inflate: Decompress::new(true) }
    }
}

impl Unpacker {
    pub(super) fn unpack(&mut self, block: &[u8]) -> io::Result<Vec<(String, String)>> {
        let mut plain = Vec::with_capacity(1024);
        let start = self.inflate.total_in();
        loop {
            let taken = usize::try_from(self.inflate.total_in() - start).map_err(io::Error::other)?;
            match self.inflate.decompress_vec(&block[taken..], &mut plain, FlushDecompress::Sync) {
                Ok(_) if plain.len() == plain.capacity() => plain.reserve(4096),
                Ok(_) => break,
                Err(error) if error.needs_dictionary().is_some() => {
                    self.inflate.set_dictionary(&dictionary())?;
                }
                Err(error) => return Err(error.into()),
            }
            if plain.len() > BLOCK_MAX {
                return Err(io::Error::other("a header block of over 1 MiB"));
            }
        }
        pairs(Bytes::from(plain))
    }
}

fn pairs(mut plain: Bytes) -> io::Result<Vec<(String, String)>> {
    fn text(plain: &mut Bytes) -> io::Result<String> {
        let length = plain.try_get_u32()? as usize;
        if plain.len() < length {
            return Err(io::Error::other("a header block that ends too early"));
        }
        Ok(String::from_utf8_lossy(&plain.split_to(length)).into_owned())
    }
    let count = plain.try_get_u32()?;
    (0..count).map(|_| Ok((text(&mut plain)?, text(&mut plain)?))).collect()
}

/// Writes our header blocks. They are all empty: a stream is accepted without a word.
pub(super) struct Packer {
    deflate: Compress,
}

impl Packer {
    pub(super) fn new() -> io::Result<Self> {
        let mut deflate = Compress::new(Compression::fast(), true);
        deflate.set_dictionary(&dictionary()).map_err(io::Error::other)?;
        Ok(Self { deflate })
    }

    /// A block of no headers.
    pub(super) fn pack_none(&mut self) -> io::Result<Vec<u8>> {
        self.pack(&0_u32.to_be_bytes())
    }

    /// Compresses one block; it must be small.
    pub(super) fn pack(&mut self, plain: &[u8]) -> io::Result<Vec<u8>> {
        let mut packed = Vec::with_capacity(plain.len() + 128);
        self.deflate.compress_vec(plain, &mut packed, FlushCompress::Sync).map_err(io::Error::other)?;
        Ok(packed)
    }
}
