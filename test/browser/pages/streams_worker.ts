// The cases of the streams API in a worker.
import { runAll } from './streams_page.js';

postMessage(await runAll());
