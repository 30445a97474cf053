// Routes put together: the smallest table that sends every network where it should go (ORTC: Draves, King, Venkatachary, Zill 1999).
// Addresses that no link has may go anywhere, which lets tables shrink further.

/** A network: the first `length` bits of `bits`, which are 32. */
export interface Prefix {
  bits: number;
  length: number;
}
export interface Hop {
  prefix: Prefix;
  /** Number of the neighbour that all of it goes to. */
  to: number;
}

/** The neighbours that a subtree could go to without a further route: one, some, or any. */
type Choice = number | ReadonlySet<number> | undefined;

/** A network, or the shortest prefix that two subtrees have in common. */
interface Branch {
  prefix: Prefix;
  /** Which of the networks. */
  leaf?: number;
  halves?: [Branch, Branch];
  choice: Choice;
}

/** Networks that do not overlap, for the routes of any number of nodes to them. */
export class NetworkTree {
  private readonly root?: Branch;
  /** One text for each prefix, however many nodes have a route to it: millions of them would cost more than all else. */
  private readonly names = new Map<number, string>();

  constructor(networks: readonly Prefix[]) {
    const leaves = networks.map((prefix, leaf): Branch => ({ prefix, leaf, choice: undefined }));
    leaves.sort((a, b) => a.prefix.bits - b.prefix.bits);
    if (leaves.length) this.root = join(leaves, 0, leaves.length);
  }

  /** The fewest routes that send each network to the neighbour that `to` has for it, and those without one anywhere. The first is the default route. */
  routes(to: readonly (number | undefined)[]): Hop[] {
    const out: Hop[] = [], { root } = this;
    if (!root || choose(root, to) === undefined) return out;
    emit(root, undefined, out);
    out[0].prefix = { bits: 0, length: 0 };
    return out;
  }

  /** A prefix as text, made by `write` when it is the first time. */
  name(bits: number, length: number, write: (bits: number, length: number) => string): string {
    const key = bits * 64 + length;
    let text = this.names.get(key);
    if (text === undefined) this.names.set(key, text = write(bits, length));
    return text;
  }
}

/** The tree of the leaves from `first` to before `end`, in the order of their addresses. */
function join(leaves: readonly Branch[], first: number, end: number): Branch {
  if (end - first === 1) return leaves[first];
  const a = leaves[first].prefix.bits, b = leaves[end - 1].prefix.bits, length = Math.clz32(a ^ b), half = 2 ** (31 - length);
  const start = a - a % (2 * half);
  let middle = first;
  while (leaves[middle].prefix.bits < start + half) middle++;
  return { prefix: { bits: start, length }, halves: [join(leaves, first, middle), join(leaves, middle, end)], choice: undefined };
}

/** From the leaves up: what both halves could do with, or else what either could. */
function choose(b: Branch, to: readonly (number | undefined)[]): Choice {
  if (!b.halves) return b.choice = to[b.leaf!];
  const x = choose(b.halves[0], to), y = choose(b.halves[1], to);
  return b.choice = x === y || y === undefined ? x : x === undefined ? y : met(x, y);
}
const all = (c: NonNullable<Choice>): ReadonlySet<number> => (typeof c === 'number' ? new Set([c]) : c);
function met(x: NonNullable<Choice>, y: NonNullable<Choice>): Choice {
  const [a, b] = [all(x), all(y)], both = [...a].filter((n) => b.has(n));
  return both.length === 1 ? both[0] : new Set(both.length ? both : [...a, ...b]);
}

/** From the root down: a route where what is inherited will not do. */
function emit({ choice, prefix, halves }: Branch, inherited: number | undefined, out: Hop[]): void {
  let to = inherited;
  if (choice !== undefined && (to === undefined || !(choice === to || (typeof choice !== 'number' && choice.has(to))))) {
    to = typeof choice === 'number' ? choice : Math.min(...choice);
    out.push({ prefix, to });
  }
  if (halves) for (const h of halves) emit(h, to, out);
}
