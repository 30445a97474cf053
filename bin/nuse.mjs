#!/usr/bin/env node
// The `nuse` command: hands over to the bundle that `npm run build` makes.
const bundle = new URL('../build/bundle/nuse.mjs', import.meta.url);
try {
  const { main } = await import(bundle.href);
  await main(process.argv.slice(2));
} catch (error) {
  if (error?.code !== 'ERR_MODULE_NOT_FOUND' || !String(error.message).includes('build/bundle/nuse.mjs')) throw error;
  console.error('nuse: not built yet: run `npm run build` in the source folder');
  process.exitCode = 1;
}
