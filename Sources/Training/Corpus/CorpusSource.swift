/// What the paths of `--corpus` name: text, or one file of token ids.
package enum CorpusSource: Hashable, Sendable {
  /// Text files and folders.
  case text([String])
  /// A safetensors file with `input_ids`.
  case tokenFile(String)

  /// - Throws: `CorpusError` for no path, or for token files among other things.
  package init(_ paths: [String]) throws(CorpusError) {
    guard let first = paths.first else {
      throw CorpusError(.missing, "no corpus: name text files or folders with --corpus")
    }
    let tokenFiles = paths.filter(FileSequences.isTokenFile)
    if tokenFiles.isEmpty {
      self = .text(paths)
    } else if paths.count == 1 {
      self = .tokenFile(first)
    } else {
      throw CorpusError(
        .unusable, "\(tokenFiles[0]): a file of token ids goes alone; give it without the other paths of --corpus")
    }
  }
}
