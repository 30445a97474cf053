// Straight-line code in a worker: each call returns when it is done, or throws.
import { SyncNet, type ChannelMemory } from 'nuse/browser';
import type { Blocked } from './blocking_page.js';

const host = '192.0.2.2';
const codeOf = (fn: () => unknown): string => {
  try {
    fn();
  } catch (error) {
    return (error as Error & { code: string }).code;
  }
  return 'nothing';
};

function exchange(net: SyncNet): Blocked {
  const s = net.connect({ host, port: 7, timeout: 20000 }), data = Uint8Array.from({ length: 1 << 20 }, (_, i) => (i * 31) >> 3);
  let at = 0, got = 0, echoed = true;
  while (got < data.length) {
    s.write(data.subarray(at, at + 50_000), 20000);
    at = Math.min(at + 50_000, data.length);
    const chunk = s.read(50_000, 20000);
    echoed &&= chunk.every((b, i) => b === data[got + i]);
    got += chunk.length;
  }
  const timeout = codeOf(() => s.read(1, 50));
  s.shutdown();
  const end = s.read(1, 20000).length;
  s.close();
  return { echoed, timeout, end, refused: codeOf(() => net.connect({ host, port: 8, timeout: 20000 })) };
}

onmessage = ({ data: { memory, port } }: MessageEvent<{ memory: ChannelMemory; port: MessagePort }>) => {
  const net = new SyncNet(memory, () => port.postMessage(0));
  postMessage(exchange(net));
  const idle = net.connect({ host, port: 7, timeout: 20000 });
  postMessage('waiting');
  postMessage(codeOf(() => idle.read()));
};
