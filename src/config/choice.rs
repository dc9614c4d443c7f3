//! Values that are one of several words.

use super::value::choice;

/// Enums with one word for each variant.
macro_rules! choices {
    ($($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ })+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// All words, in the order of the variants.
            pub(super) const WORDS: &'static [&'static str] = &[$($word,)+];

            /// Word in the variable and in the report.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            pub(super) fn parse(text: &str) -> Result<Self, String> {
                choice(&[$(($word, Self::$variant),)+], text)
            }
        }
    )+};
}

choices! {
    /// Mode of a run.
    Mode {
        /// Create or update the Secret and verify it.
        Ensure = "ensure",
        /// Run the same checks, read-only.
        Verify = "verify",
        /// Show what `Ensure` would change, read-only.
        Plan = "plan",
        /// Diagnose permissions, registry access and the stored Secret, read-only.
        Doctor = "doctor",
    }

    /// Depth of verification.
    Depth {
        /// At the registry.
        Registry = "registry",
        /// At the API server only.
        Api = "api",
        /// Structure of the document only.
        Structure = "structure",
    }

    /// Level of the program's own messages.
    #[derive(Default)]
    LogLevel {
        /// Errors.
        Error = "error",
        /// Warnings, too.
        Warn = "warn",
        /// Steps of the run, too.
        #[default]
        Info = "info",
        /// Details, too.
        Debug = "debug",
    }

    /// Format of standard error.
    #[derive(Default)]
    LogFormat {
        /// Text.
        #[default]
        Text = "text",
        /// One JSON object per line.
        Json = "json",
    }
}

impl Mode {
    /// True if the mode makes a credential, or checks what is needed to make one.
    pub const fn makes_credential(self) -> bool {
        match self {
            Self::Ensure | Self::Plan | Self::Doctor => true,
            Self::Verify => false,
        }
    }
}
