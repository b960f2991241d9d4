/** The page's style sheet: light, dark by the reader's wish, paper, and any width. */
import { palette } from "./colours.js";

const LIGHT = `--page:#fff;--card:#f6f7f9;--ink:#1c2430;--soft:#5a6675;--faint:#d9dee5;--bad:#b3261e;--good:#1a7f4b;${palette(false)}`;
const DARK = `--page:#12161c;--card:#1b212a;--ink:#e4e9f0;--soft:#9aa7b8;--faint:#343d4a;--bad:#ff8a80;--good:#5fd39a;${palette(true)}`;

export const STYLE = `
:root{color-scheme:light dark;${LIGHT}}
@media (prefers-color-scheme:dark){:root{${DARK}}}
@media print{:root{${LIGHT}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:1120px;margin:0 auto;padding:24px 20px 64px}
h1{font-size:1.7rem;margin:0 0 4px}
h2{font-size:1.25rem;margin:40px 0 12px;padding-top:12px;border-top:1px solid var(--faint)}
h3{font-size:1rem;margin:20px 0 8px}
p{margin:6px 0}
.soft,figcaption,.notes{color:var(--soft);font-size:.9rem}
.verdict{background:var(--card);border-left:4px solid var(--good);border-radius:6px;padding:10px 14px;margin:10px 0}
.verdict.bad{border-color:var(--bad)}
.verdict ul{margin:6px 0 2px;padding-left:20px}
.advice{color:var(--soft)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr));gap:16px}
figure{margin:0;background:var(--card);border-radius:8px;padding:12px;break-inside:avoid}
figure svg{display:block;width:100%;height:auto}
figcaption b{color:var(--ink);font-weight:600}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;margin:8px 0 12px}
.legend span::before{content:"";display:inline-block;width:14px;height:4px;border-radius:2px;background:var(--c);margin-right:7px;vertical-align:middle}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;padding:6px 10px;border-bottom:1px solid var(--faint);vertical-align:top}
th{color:var(--soft);font-weight:600}
td.n,th.n{text-align:right}
td.n{font-variant-numeric:tabular-nums;white-space:nowrap}
@media(min-width:800px){td.name{white-space:nowrap}}
.bar{position:relative;height:14px;min-width:140px;background:var(--faint);border-radius:3px}
.bar i{position:absolute;inset:0 auto 0 0;background:var(--c0);border-radius:3px}
.bar i.open{background:linear-gradient(90deg,var(--c0) 70%,transparent)}
tr.control td{color:var(--soft)}
.bad-text{color:var(--bad)}
@media (max-width:520px){main{padding:16px 12px 40px}h1{font-size:1.35rem}figure{padding:8px}}
@media print{main{max-width:none;padding:0}figure{border:1px solid var(--faint)}h2{break-after:avoid}.scroll{overflow:visible}}
`;
