/** A blob to be fetched. */
export interface BlobRequest {
  sha256: string;
  /** Part of the model that it holds, e.g. `layer 3`. */
  role: string;
  /** Its size; undefined: the manifest does not say. */
  bytes?: number;
}
