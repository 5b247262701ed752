/// What a checkpoint's manifest records of a file.
package struct FileSummary: Hashable, Sendable {
  package let size: Int
  /// Of a safetensors file its header's digest, which covers the digests of its tensors; of others the whole content's.
  package let digest: String

  package init(size: Int, digest: String) {
    self.size = size
    self.digest = digest
  }
}
