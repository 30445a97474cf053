// An HTTP exchange between two stacks in a page: bodies of megabytes, compared by hash.
import { fetchOver, serveHttp } from '../../../examples/browser/http.js';
import { B4, B6, failure, listen, pattern, sha256, stacks } from '../streams_cases.js';

export interface Exchange {
  isolated: boolean;
  /** SHA-256 of the body the server got, as it says; of what was sent. */
  uploaded: [string, string];
  /** SHA-256 of what the server sent; of what the client got: by length, in chunks, to the end of the connection. */
  downloaded: [string, string, string, string];
  status: string;
  refused: string | undefined;
  cutShort: string;
  /** Sockets left in the two stacks, the listener apart. */
  left: [number, number];
}

const MB = 1 << 20;

export default async function run(): Promise<Exchange> {
  const module = await WebAssembly.compileStreaming(fetch('/nuse/core.wasm')), ends = await stacks(module), { a, b, A } = ends;
  const up = pattern(5 * MB + 3), down = pattern(7 * MB + 1, 5), server = await listen(ends, '::');
  const serving = serveHttp(server, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === '/up') return new Response(await sha256(new Uint8Array(await request.arrayBuffer())));
    if (pathname === '/length') return new Response(down, { headers: { 'content-length': String(down.length) } });
    if (pathname === '/chunks') return new Response(new Blob([down]).stream());
    if (pathname === '/short') return new Response('too little', { headers: { 'content-length': '100' } });
    return new Response('no such thing', { status: 404, statusText: 'Not Found' });
  });
  const hash = async (r: Response): Promise<string> => sha256(new Uint8Array(await r.arrayBuffer()));
  const uploaded = await fetchOver(A, `http://${B4}/up`, { method: 'POST', body: up }), missing = await fetchOver(A, `http://[${B6}]/other`);
  const exchange: Exchange = {
    isolated: crossOriginIsolated, uploaded: [await uploaded.text(), await sha256(up)],
    downloaded: [
      await sha256(down), await hash(await fetchOver(A, `http://${B4}/length`)), await hash(await fetchOver(A, `http://[${B6}]/chunks`)),
      // Our direction ends with the request; seven megabytes still come.
      await hash(await fetchOver(A, `http://${B4}/length`, {}, true)),
    ],
    status: `${missing.status} ${missing.statusText} ${await missing.text()}`,
    refused: (await failure(fetchOver(A, `http://${B4}:81/`))).code,
    cutShort: (await failure((await fetchOver(A, `http://${B4}/short`)).body!.pipeTo(new WritableStream()))).message,
    left: [a.sockets.size, b.sockets.size - 1],
  };
  a.close();
  b.close();
  await failure(serving);
  return exchange;
}
