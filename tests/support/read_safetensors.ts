/**
 * Reads small safetensors files of f32 tensors that tests have as expected values.
 *
 * @module
 */

/** Opens a file whole; the function gives a tensor's elements by its name. */
export async function readSafetensors(path: string | URL): Promise<(name: string) => Float32Array> {
  const file = await Deno.readFile(path);
  const start = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, start)));
  return (name) => {
    const [from, to] = header[name].data_offsets;
    return new Float32Array(file.slice(start + from, start + to).buffer);
  };
}
