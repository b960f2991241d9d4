// The one CommonJS file: @neon-rs/load decides by platform, and only what is reached through `require` stays lazy.
// The proxy itself throws where the platform is unknown; loader.ts therefore requires this file late.
import load = require("@neon-rs/load");

export = load.proxy({
  platforms: {
    "linux-x64-gnu": () => require("@i405/addon-linux-x64-gnu") as load.ModuleObject,
    "linux-arm64-gnu": () => require("@i405/addon-linux-arm64-gnu") as load.ModuleObject,
    "linux-x64-musl": () => require("@i405/addon-linux-x64-musl") as load.ModuleObject,
    "linux-arm64-musl": () => require("@i405/addon-linux-arm64-musl") as load.ModuleObject,
  },
  // A checkout has its own build beside package.json.
  debug: () => require("../../index.node") as load.ModuleObject,
});
