// What a page can do wrong, one at a time.
export default async function run(fault: string): Promise<string> {
  if (fault === 'throw') throw new Error('thrown by the module');
  if (fault === 'console') console.error('said to the console');
  if (fault === 'late') setTimeout(() => { throw new Error('thrown by a timer'); });
  if (fault === 'rejection') void Promise.reject(new Error('nobody catches this'));
  if (fault === 'worker') {
    const worker = new Worker(URL.createObjectURL(new Blob(['throw new Error("thrown by a worker")'])));
    await new Promise((resolve) => { worker.addEventListener('error', resolve); }); // a busy machine starts it late
  }
  if (fault === 'missing') await fetch('/no-such-file');
  if (fault === 'outside') await fetch('http://example.com/').catch(() => undefined);
  if (fault === 'hang') await new Promise(() => undefined);
  if (fault === 'spin') for (;;);
  await new Promise((resolve) => setTimeout(resolve, 100));
  return 'fine';
}
