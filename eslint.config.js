import { defineConfig, globalIgnores } from "eslint/config";
import js from "@eslint/js";
import tseslint from "typescript-eslint";
import { layout } from "./scripts/lint/layout.mjs";

export default defineConfig(
  globalIgnores(["dist/", "target/", "node_modules/", ".tap/", ".setup/", "platforms/"]),
  js.configs.recommended,
  // What is longer has two subjects.
  { rules: { "max-lines": ["error", 400] } },
  {
    files: ["**/*.ts", "**/*.cts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      "@typescript-eslint/consistent-type-imports": ["error", { disallowTypeAnnotations: false }],
      // Numbers in messages are wanted; objects are still refused.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      // Records of counters and options are types here, with one style left to the author.
      "@typescript-eslint/consistent-type-definitions": "off",
      // An arrow that hands a call on may hand on nothing.
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/no-unnecessary-condition": ["error", { allowConstantLoopConditions: true }],
      // A byte array is indexed inside its length; the bound is the loop's.
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
    },
  },
  {
    // Each folder of lib/ imports only those before it, and no files import each other in a circle.
    files: ["lib/**/*.ts", "lib/**/*.cts", "index.d.ts", "types/**/*.ts"],
    plugins: { i405: { rules: { layout } } },
    rules: {
      "i405/layout": [
        "error",
        {
          contract: ["index.d.ts", "types"],
          inside: [
            // What knows nothing of tunnels: errors, units, addresses as text, secrets, how single options are read.
            "common",
            // The addon: its interface, how it is loaded, its clock, what it does to this process.
            "native",
            // From the names of hosts to their addresses.
            "names",
            // What two ends say until they have keys: Noise, pairing, messages, stamps and where they are kept.
            "handshake",
            // What a program asks for, parsed once.
            "options",
            // The machines of client and server: attempts, paths, sessions, new keys, answers.
            "session",
            // One tunnel from its opening to its end, and the packets through it.
            "tunnel",
          ],
          entry: "index.ts",
          // Tools use the public API and `common`, like any program that embeds a tunnel. Two of them need the addon too.
          tools: {
            statistics: ["common"],
            audit: ["common"],
            // It measures this machine with the addon's probes, where there is no tunnel.
            doctor: ["common", "native"],
            metrics: ["common"],
            // It hands the addon to the doctor, asks who is at the other end of its status socket, and looks after its own
            // process: core dumps, privileges, the service manager.
            cli: ["common", "native"],
          },
        },
      ],
    },
  },
  {
    // CommonJS by its nature.
    files: ["**/*.cts"],
    rules: { "@typescript-eslint/no-require-imports": "off" },
  },
  {
    // Tests hand in what the types forbid, and tap's assertions need no await.
    files: ["test/**/*.ts", "lab/**/*.ts"],
    rules: {
      "@typescript-eslint/no-explicit-any": "off",
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-return": "off",
      "@typescript-eslint/no-floating-promises": "off",
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/no-misused-promises": "off",
    },
  },
  {
    files: ["**/*.js", "**/*.mjs", "**/*.cjs"],
    languageOptions: {
      globals: {
        process: "readonly",
        console: "readonly",
        performance: "readonly",
        setTimeout: "readonly",
        clearTimeout: "readonly",
        AbortSignal: "readonly",
        Buffer: "readonly",
        URL: "readonly",
      },
    },
  },
);
