// @ts-check
// `node --import` of this file has a process run TypeScript: see hooks.mjs.
import { register } from "node:module";

register("./hooks.mjs", import.meta.url);

// What it was said for is over (without-ts-node.cjs), and the programs that a test starts are to know nothing of it.
delete process.env.TAP_TYPE_STRIP_ONLY;
