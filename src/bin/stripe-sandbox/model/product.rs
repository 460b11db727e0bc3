//! Products.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Metadata;

/// A product.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Product {
    /// `prod_…` or the id given at creation.
    pub id: String,
    /// Whether it can be bought.
    pub active: bool,
    /// Creation.
    pub created: i64,
    /// Last change.
    pub updated: i64,
    /// Live mode.
    pub livemode: bool,
    /// Default price.
    pub default_price: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Images.
    pub images: Vec<String>,
    /// Marketing features, as rendered.
    pub marketing_features: Vec<Value>,
    /// Metadata.
    pub metadata: Metadata,
    /// Name.
    pub name: String,
    /// Package dimensions.
    pub package_dimensions: Option<Value>,
    /// Whether it is shipped.
    pub shippable: Option<bool>,
    /// Statement descriptor.
    pub statement_descriptor: Option<String>,
    /// Tax code.
    pub tax_code: Option<String>,
    /// What a unit is called.
    pub unit_label: Option<String>,
    /// Web page.
    pub url: Option<String>,
}

impl Product {
    /// Stripe's product object.
    pub fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "product",
            "active": self.active,
            "created": self.created,
            "default_price": self.default_price,
            "description": self.description,
            "images": self.images,
            "livemode": self.livemode,
            "marketing_features": self.marketing_features,
            "metadata": self.metadata,
            "name": self.name,
            "package_dimensions": self.package_dimensions,
            "shippable": self.shippable,
            "statement_descriptor": self.statement_descriptor,
            "tax_code": self.tax_code,
            "tax_details": null,
            "type": "service",
            "unit_label": self.unit_label,
            "updated": self.updated,
            "url": self.url,
        })
    }
}
