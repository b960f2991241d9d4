/** Reads Markdown as far as the tests of the documents need it. */

export interface Fence {
  language: string;
  text: string;
}

/** Fenced blocks, in order; the indentation of a block inside a list is taken off. */
export function fences(markdown: string): Fence[] {
  const found = markdown.matchAll(/^( *)```(\w*)\n([\s\S]*?)^\1```$/gm);
  return [...found].map(([, indent = "", language = "", text = ""]) => ({
    language,
    text: text.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
  }));
}

/** Targets of links, without those to other sites. */
export function localLinks(markdown: string): string[] {
  const found = markdown.matchAll(/\]\(([^)\s]+)\)/g);
  return [...found].map(([, target = ""]) => target).filter((target) => !target.includes("://"));
}

/** Anchors of the headings, as GitHub makes them. */
export function anchors(markdown: string): string[] {
  const prose = markdown.replaceAll(/^( *)```[\s\S]*?^\1```$/gm, "");
  return [...prose.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}
