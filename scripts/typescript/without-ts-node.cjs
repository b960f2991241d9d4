// @ts-check
// tap loads a compiler of TypeScript into each test file's process, which takes 3 s of a core, before the hooks of
// register.mjs, which need none. It leaves the compiler out where Node itself is to strip types: that is said until then.
process.env.TAP_TYPE_STRIP_ONLY = "1";
