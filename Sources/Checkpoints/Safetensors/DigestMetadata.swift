/// How our files say in `__metadata__` that they are ours and what their tensors' digests are.
///
/// The digests stand in the header, so a digest of the header (in a checkpoint's manifest) covers the whole file.
enum DigestMetadata {
  /// The mark of a file of ours; its text is the version of this scheme.
  static let markKey = "switchyard_digests"
  static let version = "1"
  /// `transformers` asks which framework wrote a file, and takes this answer for granted arrays of numbers.
  static let frameworkEntry = (key: "format", value: "pt")

  /// The key of a tensor's digest: XXH64 of its bytes in the file, 16 hexadecimal digits.
  static func key(for tensor: String) -> String { "switchyard_xxh64." + tensor }

  /// The metadata of a file of ours, given each tensor's digest.
  static func make(_ digests: [String: String], extra: [String: String]) -> [String: String] {
    var metadata = extra
    metadata[frameworkEntry.key] = frameworkEntry.value
    metadata[markKey] = version
    for (name, digest) in digests { metadata[key(for: name)] = digest }
    return metadata
  }
}

extension SafetensorsHeader {
  /// Whether the file is one of ours: then every tensor has a digest.
  var hasDigests: Bool { metadata[DigestMetadata.markKey] != nil }

  func digest(of tensor: String) -> String? { metadata[DigestMetadata.key(for: tensor)] }
}
