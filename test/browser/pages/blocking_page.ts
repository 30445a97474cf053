// Blocking sockets in a page that is cross-origin isolated: one worker runs two stacks, another waits in Atomics.wait for one of them.
export interface Blocked {
  echoed: boolean;
  timeout: string;
  end: number;
  refused: string;
}
export type Outcome = Blocked & { isolated: boolean; ended: string };

/** Takes the messages of a worker, in order. */
function messages(w: Worker): () => Promise<unknown> {
  const got: unknown[] = [], asked: { resolve(m: unknown): void; reject(e: Error): void }[] = [];
  w.onmessage = ({ data }) => {
    const a = asked.shift();
    if (a) a.resolve(data);
    else got.push(data);
  };
  w.onerror = (e) => { for (const a of asked) a.reject(new Error(e.message)); };
  return () => (got.length ? Promise.resolve(got.shift()) : new Promise((resolve, reject) => { asked.push({ resolve, reject }); }));
}

export default async function run(): Promise<Outcome> {
  const stacks = new Worker(new URL('./blocking_stacks.js', import.meta.url), { type: 'module' });
  const client = new Worker(new URL('./blocking_worker.js', import.meta.url), { type: 'module' });
  const fromStacks = messages(stacks), fromClient = messages(client);
  try {
    const channel = await fromStacks() as { memory: unknown; port: MessagePort };
    client.postMessage(channel, [channel.port]);
    const blocked = await fromClient() as Blocked;
    // It reads now where nothing comes; then its stack ends.
    await fromClient();
    stacks.postMessage('close');
    return { isolated: crossOriginIsolated, ...blocked, ended: await fromClient() as string };
  } finally {
    client.terminate();
    stacks.terminate();
  }
}
