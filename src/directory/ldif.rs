//! stub
use super::{
    Match, Schema, UserDirectory,
    filter::{Filter, evaluate::Attributes},
};
use crate::password_hash::PasswordHash;
use crate::phone_number::{NumberPlan, PhoneNumber};
use crate::user::User;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
#[derive(Debug, thiserror::Error)]
#[error("x")]
/// x
pub struct LdifError;
impl LdifError {
    /// x
    pub fn unsupported() -> Self {
        Self
    }
}
/// x
pub struct LdifDirectory {
    users: Vec<(User, Option<Arc<PasswordHash>>)>,
    numbers: HashMap<PhoneNumber, Vec<usize>>,
    names: HashMap<String, usize>,
}
struct E(Vec<(String, String)>);
impl Attributes for E {
    fn any_value(&self, a: &str, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.0
            .iter()
            .any(|(n, v)| n.eq_ignore_ascii_case(a) && visit(v.as_bytes()))
    }
}
impl LdifDirectory {
    /// x
    pub fn open(path: &Path, s: &Schema, plan: Arc<NumberPlan>) -> Result<Self, LdifError> {
        let text = std::fs::read_to_string(path).map_err(|_| LdifError)?;
        let filter = Filter::parse(&s.user_filter).map_err(|_| LdifError)?;
        let mut me = Self {
            users: vec![],
            numbers: HashMap::new(),
            names: HashMap::new(),
        };
        for para in text.split("\n\n") {
            let e = E(para
                .lines()
                .filter(|l| !l.starts_with('#'))
                .filter_map(|l| l.split_once(": "))
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
                .collect());
            let get = |n: &str| {
                e.0.iter()
                    .find(|(a, _)| a.eq_ignore_ascii_case(n))
                    .map(|(_, v)| v.clone())
            };
            let (Some(dn), Some(name)) = (get("dn"), get(&s.username_attribute)) else {
                continue;
            };
            if !filter.matches(&e) {
                continue;
            }
            let id = get(&s.user_id_attribute).unwrap_or_else(|| dn.clone());
            let i = me.users.len();
            for a in &s.phone_attributes {
                for (n, v) in &e.0 {
                    if n.eq_ignore_ascii_case(a)
                        && let Ok(number) = plan.read(v)
                    {
                        let list = me.numbers.entry(number).or_default();
                        if !list.contains(&i) {
                            list.push(i)
                        }
                    }
                }
            }
            me.names.insert(name.to_lowercase(), i);
            me.users.push((
                User {
                    id: id.into(),
                    name: name.into(),
                    dn: dn.into(),
                },
                get("userPassword")
                    .and_then(|p| PasswordHash::from_user_password(&p).ok())
                    .map(Arc::new),
            ));
        }
        Ok(me)
    }
}
#[async_trait::async_trait]
impl UserDirectory for LdifDirectory {
    async fn find_by_number(
        &self,
        n: &crate::phone_number::PhoneNumber,
        _: crate::clock::Deadline,
    ) -> Result<Option<super::Match>, super::DirectoryFault> {
        Ok(self.numbers.get(n).map(|l| {
            if l.len() == 1 {
                Match::One(self.users[l[0]].0.clone())
            } else {
                Match::Several
            }
        }))
    }
    async fn find_by_name(
        &self,
        n: &str,
        _: crate::clock::Deadline,
    ) -> Result<Option<crate::user::User>, super::DirectoryFault> {
        Ok(self
            .names
            .get(&n.to_lowercase())
            .map(|i| self.users[*i].0.clone()))
    }
    async fn check_password(
        &self,
        u: Option<&crate::user::User>,
        p: &crate::secret::Secret,
        _: crate::clock::Deadline,
    ) -> Result<super::PasswordCheck, super::DirectoryFault> {
        let h = u
            .and_then(|u| self.users.iter().find(|k| k.0.id == u.id))
            .and_then(|k| k.1.as_ref());
        Ok(if h.is_some_and(|h| h.is_of(p)) {
            super::PasswordCheck::Right
        } else {
            super::PasswordCheck::Wrong(super::WrongPassword::Mismatch)
        })
    }
    fn health(&self) -> super::DirectoryHealth {
        super::DirectoryHealth {
            ready: true,
            detail: String::new(),
        }
    }
}
