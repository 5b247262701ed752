import Foundation

/// The `shared` folder of reference data, which may lie beside the package or above it.
enum SharedReference {
  static let tokenizerFolder = "reference-tokenizers/byte-level-bpe"

  static func url(_ path: String) -> URL? {
    var folder = URL(fileURLWithPath: #filePath)
    while folder.path != "/" {
      folder.deleteLastPathComponent()
      let candidate = folder.appendingPathComponent("shared").appendingPathComponent(path)
      if FileManager.default.fileExists(atPath: candidate.path) { return candidate }
    }
    return nil
  }

  static func bytes(_ path: String) throws -> [UInt8] {
    guard let url = url(path) else { throw CocoaError(.fileNoSuchFile) }
    return [UInt8](try Data(contentsOf: url))
  }
}
