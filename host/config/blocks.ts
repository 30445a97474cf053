// The syntax of nuse.conf: lines of a key and words; `interface NAME` and `route` open a block, a blank line ends it.

/** A line of the file that says something. */
export interface Entry {
  key: string;
  words: string[];
  line: number;
}

export interface Block {
  /** The line that opened it: `interface NAME` or `route`. */
  head: Entry;
  entries: Entry[];
}

export interface Syntax {
  blocks: Block[];
  /** Lines outside of blocks. */
  globals: Entry[];
}

/** Split a file into blocks. Comments (a `#` at the start of a line or after a space) are no blank lines: they don't end a block. */
export function readBlocks(text: string): Syntax {
  const out: Syntax = { blocks: [], globals: [] };
  let open: Block | null = null;
  text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/).forEach((raw, i) => {
    const body = raw.replace(/(^|\s)#.*$/, '').trim();
    if (!body) {
      if (!raw.includes('#')) open = null;
      return;
    }
    const [key, ...words] = body.split(/\s+/);
    const entry = { key, words, line: i + 1 };
    if (key === 'interface' || key === 'route') {
      open = { head: entry, entries: [] };
      out.blocks.push(open);
    } else if (open) open.entries.push(entry);
    else out.globals.push(entry);
  });
  return out;
}
