// Modules of the widgets as the browser takes them: as ES modules, whatever the name of the file says to node.
import { readFile } from "node:fs/promises";

export async function piece(name) {
  const source = await readFile(new URL(`../../../widgets/omics_widgets/${name}.js`, import.meta.url), "utf8");
  return import(`data:text/javascript;charset=utf-8,${encodeURIComponent(source)}`);
}
