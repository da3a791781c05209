//! Where the system that a profile takes the place of keeps its users and sessions: so that they can be moved.

/// The longest name of a table or column.
pub const MAX_NAME_BYTES: usize = 200;

macro_rules! fields {
    ($($(#[doc = $doc:literal])* $field:ident = $name:literal;)*) => {
        /// Something that an import takes of a user or a session; the names are part of the profile format.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum ImportField {
            $($(#[doc = $doc])* $field,)*
        }

        impl ImportField {
            /// Every field.
            pub const ALL: &'static [Self] = &[$(Self::$field),*];

            /// The name, as a profile and `--map` write it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$field => $name,)*
                }
            }
        }
    };
}

fields! {
    /// What the other system calls the user: its key there.
    ExternalId = "external_id";
    /// The user name.
    Username = "username";
    /// The e-mail address.
    Email = "email";
    /// The hash of the password.
    PasswordHash = "password_hash";
    /// The salt of the password's hash, where it stands in a column of its own.
    PasswordSalt = "password_salt";
    /// The seed of time-based one-time passwords: base32, or an `otpauth://` URI.
    TotpSecret = "totp_secret";
    /// Whether that seed is asked for.
    TotpIsActive = "totp_is_active";
    /// The hashes of the recovery codes: a list.
    RecoveryCodes = "recovery_codes";
    /// The user's whole name.
    Name = "name";
    /// The given name.
    GivenName = "given_name";
    /// The family name.
    FamilyName = "family_name";
    /// The language that the owner is written to in, as a tag (`pt-BR`).
    Language = "language";
    /// The role.
    Role = "role";
    /// Whether the user administers others.
    IsAdmin = "is_admin";
    /// Of a user, whether they may log in; of a session, whether it lives.
    IsActive = "is_active";
    /// Whether the user may not log in.
    IsDisabled = "is_disabled";
    /// When it was made.
    CreatedAt = "created_at";
    /// The session's user, as `external_id` has it.
    User = "user";
    /// The refresh token, in clear.
    Token = "token";
    /// The refresh token's SHA-256.
    TokenSha256 = "token_sha256";
    /// When the session's token expires.
    ExpiresAt = "expires_at";
    /// Whether the session was revoked.
    IsRevoked = "is_revoked";
    /// When the session was revoked; empty while it lives.
    RevokedAt = "revoked_at";
    /// The address of whoever opened it.
    Ip = "ip";
    /// What its client calls itself.
    UserAgent = "user_agent";
    /// What the user calls the device.
    Device = "device";
}

impl ImportField {
    /// Whether it says that something may live on, or not. Such a column is never optional.
    #[must_use]
    pub fn is_status(self) -> bool {
        matches!(self, Self::IsActive | Self::IsDisabled | Self::IsRevoked | Self::RevokedAt)
    }

    /// Whether it is about second factors. Such a column is never optional.
    #[must_use]
    pub fn is_of_factors(self) -> bool {
        matches!(self, Self::TotpSecret | Self::TotpIsActive | Self::RecoveryCodes)
    }

    /// Whether a user or session can do without it.
    #[must_use]
    pub fn may_be_lacking(self) -> bool {
        let is_needed = matches!(
            self,
            Self::ExternalId
                | Self::PasswordHash
                | Self::User
                | Self::ExpiresAt
                | Self::Token
                | Self::TokenSha256
        );
        !is_needed && !self.is_status()
    }
}

/// What is imported.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ImportKind {
    /// Users.
    Users,
    /// Live sessions.
    Sessions,
}

impl ImportKind {
    /// The fields of this kind, in the order of the reference.
    #[must_use]
    pub fn fields(self) -> &'static [ImportField] {
        use ImportField as F;
        match self {
            Self::Users => &[
                F::ExternalId,
                F::Username,
                F::Email,
                F::PasswordHash,
                F::PasswordSalt,
                F::TotpSecret,
                F::TotpIsActive,
                F::RecoveryCodes,
                F::Name,
                F::GivenName,
                F::FamilyName,
                F::Role,
                F::IsAdmin,
                F::IsActive,
                F::IsDisabled,
                F::CreatedAt,
            ],
            Self::Sessions => &[
                F::User,
                F::Token,
                F::TokenSha256,
                F::ExpiresAt,
                F::CreatedAt,
                F::IsRevoked,
                F::RevokedAt,
                F::IsActive,
                F::Ip,
                F::UserAgent,
                F::Device,
            ],
        }
    }

    /// The field of that name.
    #[must_use]
    pub fn field(self, name: &str) -> Option<ImportField> {
        self.fields().iter().copied().find(|field| field.name() == name)
    }

    /// The table's name in a profile: `users`, `sessions`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Sessions => "sessions",
        }
    }
}

/// `[import]` of a profile: how the other system keeps what is moved.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ImportShape {
    /// Its users.
    pub users: Option<TableShape>,
    /// Its sessions.
    pub sessions: Option<TableShape>,
}

impl ImportShape {
    /// What it says of that kind.
    #[must_use]
    pub fn of(&self, kind: ImportKind) -> Option<&TableShape> {
        match kind {
            ImportKind::Users => self.users.as_ref(),
            ImportKind::Sessions => self.sessions.as_ref(),
        }
    }
}

/// One table of the other system.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TableShape {
    /// What the table is called in a database.
    pub table: Option<String>,
    /// Where each field is found; none twice.
    pub columns: Vec<ImportColumn>,
    /// The role that makes an administrator.
    pub admin_role: Option<String>,
}

/// Where a field is found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImportColumn {
    /// The field.
    pub field: ImportField,
    /// The column, or the member of a JSON object.
    pub column: String,
    /// Whether the source may lack it.
    pub is_optional: bool,
}

impl ImportColumn {
    /// Reads a column as a profile or `--map` writes it, with `?` where the source may lack it.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence that begins with the field, and what to do about it.
    pub fn parse(field: ImportField, text: &str) -> Result<Self, (&'static str, &'static str)> {
        let (column, is_optional) = text.strip_suffix('?').map_or((text, false), |column| (column, true));
        if column.is_empty() || column.len() > MAX_NAME_BYTES || column.contains(char::is_control) {
            return Err(("needs a column's name, of 1 to 200 bytes", "as \"user_id\""));
        }
        if is_optional && field.is_status() {
            return Err((
                "takes no question mark: where its column is not found, what is revoked or disabled there would live on here",
                "name the column alone, or leave the field out if the source has none",
            ));
        }
        if is_optional && field.is_of_factors() {
            return Err((
                "takes no question mark: where its column is not found, people would log in without their second factor",
                "name the column alone, or leave the field out if the source has none",
            ));
        }
        Ok(Self { field, column: column.to_owned(), is_optional })
    }
}

impl TableShape {
    /// Puts a field somewhere else, or adds it. A token is either in clear or hashed, so the one displaces the other.
    #[must_use]
    pub fn with(mut self, column: ImportColumn) -> Self {
        let displaced = match column.field {
            ImportField::Token => ImportField::TokenSha256,
            ImportField::TokenSha256 => ImportField::Token,
            other => other,
        };
        self.columns.retain(|known| known.field != column.field && known.field != displaced);
        self.columns.push(column);
        self
    }

    /// Where a field is found, if the table has it.
    #[must_use]
    pub fn column(&self, field: ImportField) -> Option<&ImportColumn> {
        self.columns.iter().find(|column| column.field == field)
    }

    /// Whether it has what an import needs.
    ///
    /// # Errors
    /// What is missing or too much, and what to do about it.
    pub fn check(&self, kind: ImportKind) -> Result<(), (String, &'static str)> {
        use ImportField as F;
        let has = |field| self.column(field).is_some();
        let musts: &[F] = match kind {
            ImportKind::Users => &[F::ExternalId, F::PasswordHash],
            ImportKind::Sessions => &[F::User, F::ExpiresAt],
        };
        if let Some(missing) = musts.iter().find(|field| !has(**field)) {
            return Err((format!("import.{}.columns has no {:?}", kind.name(), missing.name()), "add it"));
        }
        let merely_optional = |column: &&ImportColumn| column.is_optional && !column.field.may_be_lacking();
        if let Some(column) = self.columns.iter().find(merely_optional) {
            let what = format!("nothing can be imported without {:?}", column.field.name());
            return Err((what, "leave out the question mark"));
        }
        if kind == ImportKind::Users && !has(F::Username) && !has(F::Email) {
            let what = "a user needs a name to log in with".to_owned();
            return Err((what, "add \"username\" or \"email\", or both"));
        }
        if kind == ImportKind::Sessions && has(F::Token) == has(F::TokenSha256) {
            let what = "a session needs its token, in clear or hashed".to_owned();
            return Err((what, "write either \"token\" or \"token_sha256\""));
        }
        if kind == ImportKind::Users && !has(F::TotpSecret) && (has(F::TotpIsActive) || has(F::RecoveryCodes))
        {
            let what = "what is said of second factors needs their seeds".to_owned();
            return Err((what, "add \"totp_secret\""));
        }
        if self.admin_role.is_some() && !has(F::Role) {
            return Err(("admin_role needs the column of the role".to_owned(), "add \"role\" to columns"));
        }
        Ok(())
    }
}
