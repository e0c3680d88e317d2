// Certificates made while a test runs: an authority, and server certificates it signs.
#pragma once

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

namespace gyre::client::testing {

struct OpenSslFree {
  void operator()(X509* p) const noexcept { X509_free(p); }
  void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
};
using Certificate = std::unique_ptr<X509, OpenSslFree>;
using PrivateKey = std::unique_ptr<EVP_PKEY, OpenSslFree>;

inline void require(bool done) {
  if (!done) throw std::runtime_error("OpenSSL could not make a test certificate");
}

// The certificate of `names` ("DNS:localhost,IP:127.0.0.1"), or an authority's where `names` is
// empty. Signed with the issuer's key, or its own where there is no issuer. Valid from `begin` to
// `end`, seconds from now.
inline Certificate make_certificate(EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key,
                                    const std::string& names, long begin = -3600, long end = 3600) {
  static long serial = 0;
  Certificate made(X509_new());
  X509* const x = made.get();
  require(x != nullptr && X509_set_version(x, 2) == 1);
  require(ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial) == 1);
  require(X509_gmtime_adj(X509_getm_notBefore(x), begin) != nullptr);
  require(X509_gmtime_adj(X509_getm_notAfter(x), end) != nullptr);
  require(X509_set_pubkey(x, key) == 1);
  const std::string common_name = names.empty() ? "test authority" : "test server";
  require(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                     reinterpret_cast<const unsigned char*>(common_name.c_str()),
                                     -1, -1, 0) == 1);
  require(X509_set_issuer_name(x, X509_get_subject_name(issuer == nullptr ? x : issuer)) == 1);
  const auto add = [&](int kind, const std::string& value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
    require(extension != nullptr && X509_add_ext(x, extension, -1) == 1);
    X509_EXTENSION_free(extension);
  };
  if (names.empty()) {
    add(NID_basic_constraints, "critical,CA:TRUE");
    add(NID_key_usage, "critical,keyCertSign");
  } else {
    add(NID_subject_alt_name, names);
  }
  require(X509_sign(x, issuer_key == nullptr ? key : issuer_key, EVP_sha256()) > 0);
  return made;
}

inline PrivateKey make_key() {
  char curve[] = "P-256";  // EVP_EC_gen() would cast a const away
  PrivateKey key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve));
  require(key != nullptr);
  return key;
}

struct Authority {
  PrivateKey key = make_key();
  Certificate certificate = make_certificate(key.get(), nullptr, nullptr, "");

  void write(const std::filesystem::path& path) const {
    std::FILE* const file = std::fopen(path.c_str(), "w");
    require(file != nullptr && PEM_write_X509(file, certificate.get()) == 1);
    require(std::fclose(file) == 0);
  }
};

}  // namespace gyre::client::testing
