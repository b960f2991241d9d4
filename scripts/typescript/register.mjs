// @ts-check
// `node --import` of this file has a process run TypeScript: see hooks.mjs.
import { register } from "node:module";

register("./hooks.mjs", import.meta.url);
