// GML, the Graph Modelling Language (Himsolt 1997): nested lists of keys and values, each with the line it stands on.

/** A key and its value: a number, a text, or a list. */
export interface GmlEntry {
  key: string;
  value: number | string | GmlEntry[];
  /** From 1. */
  line: number;
}

/** What is wrong, and where. */
export class GmlError extends Error {
  constructor(readonly line: number, message: string) { super(message); }
}

/** Lists within lists: deeper, and it is no graph. */
const DEPTH = 16;
const TOKEN = /\s+|#[^\n]*|(?<key>[A-Za-z_][\w-]*)|(?<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])|"(?<text>[^"]*)"|(?<bracket>[[\]])/y;
const ENTITIES: Readonly<Record<string, string>> = { quot: '"', amp: '&', lt: '<', gt: '>', apos: '\'' };

interface Token {
  kind: 'key' | 'number' | 'text' | '[' | ']';
  text: string;
  line: number;
}

function* tokens(source: string): Generator<Token> {
  const lexer = new RegExp(TOKEN);
  for (let line = 1; lexer.lastIndex < source.length;) {
    const at = lexer.lastIndex, m = lexer.exec(source);
    if (!m) throw new GmlError(line, `\`${source.slice(at, at + 20).split('\n')[0]}\` is neither a key, a number, a "text" nor a bracket`);
    const { key, number, text, bracket } = m.groups!;
    if (key !== undefined) yield { kind: 'key', text: key, line };
    else if (number !== undefined) yield { kind: 'number', text: number, line };
    else if (text !== undefined) yield { kind: 'text', text: text.replace(/&(\w+);/g, (all, name: string) => ENTITIES[name] ?? all), line };
    else if (bracket !== undefined) yield { kind: bracket as '[' | ']', text: bracket, line };
    line += m[0].split('\n').length - 1;
  }
}

/** Read a text. Throws GmlError. */
export function parseGml(source: string): GmlEntry[] {
  const top: GmlEntry[] = [], open: { list: GmlEntry[]; line: number }[] = [{ list: top, line: 1 }];
  let key: Token | undefined;
  for (const t of tokens(source)) {
    const { list } = open[open.length - 1];
    if (!key) {
      if (t.kind === 'key') key = t;
      else if (t.kind === ']' && open.length > 1) open.pop();
      else throw new GmlError(t.line, `a key should stand where \`${t.text}\` does`);
      continue;
    }
    if (t.kind === ']' || t.kind === 'key') throw new GmlError(key.line, `\`${key.text}\` has no value`);
    const value = t.kind === 'number' ? Number(t.text) : t.kind === 'text' ? t.text : [];
    list.push({ key: key.text, value, line: key.line });
    if (Array.isArray(value) && open.push({ list: value, line: t.line }) > DEPTH) throw new GmlError(t.line, `lists are nested more than ${DEPTH} deep`);
    key = undefined;
  }
  if (key) throw new GmlError(key.line, `\`${key.text}\` has no value`);
  if (open.length > 1) throw new GmlError(open[open.length - 1].line, 'this bracket is never closed');
  return top;
}
