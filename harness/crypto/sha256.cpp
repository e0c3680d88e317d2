#include "harness/crypto/sha256.hpp"

#include <openssl/evp.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace gyre::crypto {
namespace {

void require(bool done) {
  if (done) return;
  std::fputs("gyre: OpenSSL could not compute SHA-256; check the OpenSSL installation\n", stderr);
  std::abort();
}

}  // namespace

struct Sha256Stream::State {
  State() : context(EVP_MD_CTX_new()) {
    require(context != nullptr);
    begin();
  }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void begin() { require(EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1); }

  EVP_MD_CTX* context;
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::update(std::span<const std::byte> bytes) {
  require(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

Bytes32 Sha256Stream::finish() {
  Bytes32 digest{};
  unsigned int length = 0;
  require(EVP_DigestFinal_ex(state_->context, reinterpret_cast<unsigned char*>(digest.data()),
                             &length) == 1 &&
          length == digest.size());
  state_->begin();
  return digest;
}

Bytes32 sha256(std::span<const std::span<const std::byte>> parts) {
  Sha256Stream stream;
  for (const std::span<const std::byte> part : parts) stream.update(part);
  return stream.finish();
}

Bytes32 sha256(std::span<const std::byte> bytes) {
  Sha256Stream stream;
  stream.update(bytes);
  return stream.finish();
}

}  // namespace gyre::crypto
