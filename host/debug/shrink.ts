// Delta debugging (Zeller, Hildebrandt 2002): of a list that makes something fail, a part that does as well, and of which no single
// element can be left out.

/** Whether what is left fails the same way. */
export type Fails<T> = (part: readonly T[]) => Promise<boolean>;

/** `all` fails. `tried` is told of each attempt: how many elements are left. */
export async function shrink<T>(all: readonly T[], fails: Fails<T>, tried: (left: number) => void = () => undefined): Promise<readonly T[]> {
  let left = all;
  for (let size = Math.ceil(left.length / 2); left.length > 0; size = Math.ceil(size / 2)) {
    // From the end: what comes late is less often what the rest stands on.
    let again = true;
    while (again) {
      again = false;
      for (let end = left.length; end > 0; end -= size) {
        const start = Math.max(0, end - size), part = [...left.slice(0, start), ...left.slice(end)];
        const smaller = await fails(part);
        tried(smaller ? part.length : left.length);
        if (!smaller) continue;
        left = part;
        again = size === 1;
      }
    }
    if (size === 1) break;
  }
  return left;
}
