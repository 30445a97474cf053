// A report as one HTML file without scripts or anything from elsewhere, light or dark as the reader has it. Beside every plot stands a
// table of what it shows.

/** A cell: text, a number, or nothing. */
export type Cell = string | number | boolean | null | undefined;

export interface Table {
  head: readonly string[];
  rows: readonly (readonly Cell[])[];
}
export interface Figure {
  title: string;
  /** What is to be seen, and how to read it. */
  caption: string;
  /** SVG. */
  plot: string;
  table: Table;
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1b1e23; --paper: #fff; --faint: #667; --line: #d5d9e0 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ec; --paper: #14171b; --faint: #9aa3b0; --line: #353b44 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 900px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin: 0 0 .3em }
figure { margin: 2em 0 0; padding: 0 } figure svg { max-width: 100%; height: auto; --plot-background: transparent }
section { border-top: 1px solid var(--line); margin-top: 2em; padding-top: 1em }
.note, figcaption { color: var(--faint) } summary { cursor: pointer }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .15em .7em .15em 0; border-bottom: 1px solid var(--line); white-space: nowrap }
th:first-child, td:first-child { text-align: left } code { font-size: 13px }
`;

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
export const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => ESCAPES[c]);

/** At most seven digits: enough to read; the files have them all. */
const shown = (c: Cell): string => (typeof c === 'number' && !Number.isInteger(c) ? String(Number(c.toPrecision(7))) : escaped(String(c ?? '')));

export function tableHtml({ head, rows }: Table): string {
  const line = (cells: readonly Cell[], tag: string): string => `<tr>${cells.map((c) => `<${tag}${tag === 'th' ? ' scope="col"' : ''}>${shown(c)}</${tag}>`).join('')}</tr>`;
  return `<div class="wide"><table><thead>${line(head, 'th')}</thead><tbody>\n${rows.map((r) => line(r, 'td')).join('\n')}\n</tbody></table></div>`;
}

export function figureHtml(f: Figure): string {
  return `<section><h2>${escaped(f.title)}</h2>\n<figure>${f.plot}\n<figcaption>${escaped(f.caption)}</figcaption></figure>
<details><summary>${escaped(f.title)} as a table</summary>\n${tableHtml(f.table)}\n</details></section>`;
}

/** The page. `about`: lines below the title; `parts`: HTML. */
export function page(title: string, about: readonly string[], parts: readonly string[]): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)}</title><style>${STYLE}</style></head>
<body><h1>${escaped(title)}</h1>
${about.map((a) => `<p class="note">${escaped(a)}</p>`).join('\n')}
${parts.join('\n')}
</body></html>
`;
}
