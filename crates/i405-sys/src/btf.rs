//! BTF: the types of a program's functions, which the kernel asks for where a helper calls one of them
//! (Documentation/bpf/btf.rst).

/// The types' numbers, in their order in [`of_program_with_callback`].
const INT: u32 = 1;
const POINTER: u32 = 2;
const PROGRAM_PROTOTYPE: u32 = 3;
/// `int program(void *)`.
pub const PROGRAM: u32 = 4;
const CALLBACK_PROTOTYPE: u32 = 5;
/// `int callback(int, void *)`.
pub const CALLBACK: u32 = 6;

/// linux/btf.h: `struct btf_header` with its magic number and version 1, and the kinds of types.
const MAGIC: u16 = 0xeb9f;
const VERSION: u8 = 1;
const HEADER_BYTES: u32 = 24;
const KIND_INT: u32 = 1;
const KIND_POINTER: u32 = 2;
const KIND_FUNCTION: u32 = 12;
const KIND_PROTOTYPE: u32 = 13;
/// `BTF_FUNC_STATIC`: the verifier looks at it where it is called.
const STATIC: u32 = 0;
/// A signed integer of 32 bits.
const SIGNED_32: u32 = 1 << 24 | 32;

/// Names, each behind a zero byte; a name is told by its place.
#[derive(Default)]
struct Names(Vec<u8>);

impl Names {
    fn add(&mut self, name: &str) -> u32 {
        self.0.push(0);
        let place = self.0.len() as u32;
        self.0.extend(name.as_bytes());
        place
    }
}

/// `btf_type.info`: a kind and how many parts follow.
const fn info(kind: u32, parts: u32) -> u32 {
    kind << 24 | parts
}

/// The types of a program whose second function is called with a number and a pointer.
pub fn of_program_with_callback() -> Vec<u8> {
    let mut names = Names::default();
    let int = names.add("int");
    let [program, callback] = ["program", "callback"].map(|name| names.add(name));
    let [number, context] = ["number", "context"].map(|name| names.add(name));
    // Name, info, size or type, and what follows of each.
    #[rustfmt::skip]
    let types = [
        int, info(KIND_INT, 0), 4, SIGNED_32,
        0, info(KIND_POINTER, 0), 0,
        0, info(KIND_PROTOTYPE, 1), INT, context, POINTER,
        program, info(KIND_FUNCTION, STATIC), PROGRAM_PROTOTYPE,
        0, info(KIND_PROTOTYPE, 2), INT, number, INT, context, POINTER,
        callback, info(KIND_FUNCTION, STATIC), CALLBACK_PROTOTYPE,
    ];
    names.0.push(0);
    let types_bytes = size_of_val(&types) as u32;
    let header = [HEADER_BYTES, 0, types_bytes, types_bytes, names.0.len() as u32];
    let mut bytes = MAGIC.to_ne_bytes().to_vec();
    bytes.extend([VERSION, 0]);
    bytes.extend(header.iter().chain(&types).flat_map(|word| word.to_ne_bytes()));
    bytes.extend(&names.0);
    bytes
}
